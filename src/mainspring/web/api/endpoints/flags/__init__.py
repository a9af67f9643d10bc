"""Flags: reads, and operations of people."""

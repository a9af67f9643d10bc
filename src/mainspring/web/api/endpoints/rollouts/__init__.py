"""Rollouts: reads, and operations of people."""

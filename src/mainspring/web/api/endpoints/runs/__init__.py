"""Runs: reads, operations, updates, logs, and failed runs."""

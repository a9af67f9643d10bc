"""Monitors of how runs end: failures, output, duration and stalled steps."""

"""Monitors of what waits too long: runs, questions, locks and pauses."""

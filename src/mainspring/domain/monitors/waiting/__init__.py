"""Monitors of long waiting: runs, questions, locks and pauses."""

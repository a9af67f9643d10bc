"""Insight: sentences and counts on stored data: why a run does not continue, the status of the project, the health of each automation."""

"""Fleets of machines under load and faults; who is outside the crash domain decides what was lost and what was done twice."""

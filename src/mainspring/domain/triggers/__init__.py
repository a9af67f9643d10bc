"""Triggers: the external starts of runs, and how many deliveries become how many runs."""

"""Triggers: what starts runs from outside, and how many deliveries become how many runs."""

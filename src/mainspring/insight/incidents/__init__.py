"""Incidents: what is open, who may see it, which channels it reaches."""

"""Incidents: what is wrong, which failed runs belong to it, and which incident explains another."""

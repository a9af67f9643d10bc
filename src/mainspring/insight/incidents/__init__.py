"""Incidents: what is open, who sees it, whom it reaches."""

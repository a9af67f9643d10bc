"""Incidents: failures, incidents, alerts and run conditions."""

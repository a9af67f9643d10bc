"""Handlers of incidents, their members and their alerts."""

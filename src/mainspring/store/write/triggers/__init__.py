"""Handlers of triggers, deliveries and schedules."""

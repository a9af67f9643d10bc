"""Alerting: facts for monitors, evaluation, notifications to people, metrics and traces."""

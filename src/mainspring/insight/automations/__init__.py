"""Automations: health, schedule, dependencies, trust."""

"""Definitions of automations: their options, their command, and whether they are paused."""

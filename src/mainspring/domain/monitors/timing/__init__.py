"""Monitors of when runs start and succeed: silence, late starts and drifting schedules."""

"""Notifications to people: their text, routes, channels, digests and reminders."""

"""Processes of Mainspring: roles, their reports about themselves, and the meaning of their deaths."""

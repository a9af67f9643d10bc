"""Processes of Mainspring: roles, what they report about themselves, and what their death means."""

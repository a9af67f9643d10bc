"""Processes: the store itself, its sessions, and the automations that they announce."""

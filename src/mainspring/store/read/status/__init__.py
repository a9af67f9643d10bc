"""Reads of a whole store's state: queues, sessions, load, change tokens, findings."""

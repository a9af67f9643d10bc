"""Reads of the state of a whole store: queues, sessions, load, change tokens, findings."""

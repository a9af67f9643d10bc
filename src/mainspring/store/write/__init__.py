"""Handlers that write: each answers one command, for every database, through the transaction of its group."""

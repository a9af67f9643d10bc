"""Stores by their address: opening, backups, moves, and the clock of a server."""

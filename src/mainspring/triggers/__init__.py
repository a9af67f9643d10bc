"""Doors, desks and the router: what arrives becomes runs."""

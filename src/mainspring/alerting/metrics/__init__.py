"""Figures of a store, for whoever scrapes them or is sent them."""

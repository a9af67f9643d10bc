"""Providers of secrets on this machine."""

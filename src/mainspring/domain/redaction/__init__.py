"""Redaction: names and values of secrets, and their removal from text."""

"""Durable store: handlers execute commands, one transaction commits each group, reads return views."""

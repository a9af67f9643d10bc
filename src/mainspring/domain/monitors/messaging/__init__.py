"""Monitors of triggers and the outbox: sources, senders, deliveries and unsent messages."""

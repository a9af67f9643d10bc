"""Queues of message brokers: their addresses, and messages as deliveries."""

"""Queues of brokers: consuming messages, and sending those of the outbox."""

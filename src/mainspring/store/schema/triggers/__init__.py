"""Triggers: schedules, deliveries, flow control and the outbox."""

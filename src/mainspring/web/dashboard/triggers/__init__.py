"""Pages of triggers, deliveries, events and the outbox."""

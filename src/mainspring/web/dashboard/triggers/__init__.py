"""Pages of triggers: what automations listen to, deliveries, events, the outbox."""

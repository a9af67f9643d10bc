"""Commands on triggers and deliveries, with the dry run of an event."""

"""Operations on what comes in and goes out: events, deliveries, messages of the outbox."""

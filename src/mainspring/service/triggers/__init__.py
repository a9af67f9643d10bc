"""Operations on events, deliveries and messages of the outbox."""

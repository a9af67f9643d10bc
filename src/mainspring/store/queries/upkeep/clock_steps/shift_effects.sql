update effects set settled_at = settled_at + :by where within_ms is not null and settled_at + within_ms > :pending and settled_at > :retained_until

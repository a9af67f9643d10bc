update outbox_leases set due_at = case when due_at > :pending then due_at + :by else due_at end,
                   until_at = case when until_at > :pending then until_at + :by else until_at end
where due_at > :pending or until_at > :pending

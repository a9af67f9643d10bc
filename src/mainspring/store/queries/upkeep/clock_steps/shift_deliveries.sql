update deliveries set due_at = due_at + :by where state = {{held}} and due_at > :pending and changed_at between :since and :until

update deliveries set due_at = ?1 where trigger = ?2 and by_key = ?3 and state = {{held}} and due_at is not null and due_at > ?1

select min(due_at) from deliveries where state = {{held}} and due_at > ?

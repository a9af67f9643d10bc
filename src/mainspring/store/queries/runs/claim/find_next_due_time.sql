select min(due_at) from runs where ready = 0 and due_at is not null and blocked is null

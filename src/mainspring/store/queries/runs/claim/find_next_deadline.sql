select min(deadline_at) from runs where blocked is not null and deadline_at is not null

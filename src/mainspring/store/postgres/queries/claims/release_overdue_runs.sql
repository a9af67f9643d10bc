update runs set blocked = null, ready = 1
where seq in (
    select seq from runs where blocked is not null and deadline_at is not null and deadline_at <= ? limit 500 for update skip locked
)

-- A run that ends by its deadline needs no free slot of its key.
update runs set blocked = null, ready = 1, has_slot = case when concurrency_key is null then 0 else 1 end
where seq in (
    select seq from runs where blocked is not null and deadline_at is not null and deadline_at <= ? limit 500 for update skip locked
)

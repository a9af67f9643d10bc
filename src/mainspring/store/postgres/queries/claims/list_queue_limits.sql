-- One process at a time claims from a limited queue; its row is read after it is locked.
select name as queue, concurrency, rate_count, rate_per_ms, rate_starts from queues
where paused_at is null and concurrency is null and rate_count is null
union all
select * from (
    select name as queue, concurrency, rate_count, rate_per_ms, rate_starts from queues
    where paused_at is null and (concurrency is not null or rate_count is not null)
    order by name for update
) as limited

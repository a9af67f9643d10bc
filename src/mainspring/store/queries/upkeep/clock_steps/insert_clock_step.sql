insert into clock_steps (at, by_ms, lived, since_at, until_at, last, last_event)
select :at, :by, :lived, :since, :until, coalesce((select max(seq) from runs), 0), coalesce((select max(seq) from events), 0)

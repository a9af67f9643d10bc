insert into clock_steps (at, by_ms, lived, since_at, until_at, last)
select :at, :by, :lived, :since, :until, coalesce((select max(seq) from runs), 0)

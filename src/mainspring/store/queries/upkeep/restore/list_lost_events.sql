-- Events of the copy that one of its unfinished runs may still consume.
select id, name, key, at from events
where at <= ?1 and keep_until > ?1
    and at >= (select min(created_at) from runs where finished_at is null and created_at <= ?1)
order by seq desc limit ?2

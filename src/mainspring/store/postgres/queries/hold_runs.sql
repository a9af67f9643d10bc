-- Sorted before they are locked, so that two groups wait in a row and not in a ring.
select id from runs
where id in (
    select unnest(cast(?1 as text[]))
    union
    select unnest(cast(?2 as text[]))
    union
    select parent from runs where id = any(cast(?2 as text[])) and parent is not null
    union
    select id from runs where parent = any(cast(?2 as text[])) and finished_at is null
    union
    select run from waits where kind = 'run' and filled = 0 and name = any(cast(?2 as text[]))
)
order by id for update

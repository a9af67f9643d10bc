-- Sorted before they are locked, so that two groups cannot wait for each other in a cycle.
with ending(run) as materialized (select * from unnest(cast(?2 as text[])) limit cardinality(cast(?2 as text[]))),
requested(id) as materialized (
    select unnest(cast(?1 as text[]))
    union
    select run from ending
    union
    select above.parent from ending cross join lateral (select parent from runs where runs.id = ending.run limit 1) as above
    where above.parent is not null
    union
    select below.id from ending
    cross join lateral (select child.id from runs as child where child.parent = ending.run and coalesce(child.finished_at, 0) = 0 offset 0) as below
    union
    select waiting.run from ending
    cross join lateral (select waits.run from waits where waits.kind = 'run' and waits.filled = 0 and waits.name = ending.run offset 0) as waiting
)
select runs.id
from (select id from requested order by id collate "C" limit 1000000) as sorted
join runs on runs.id = sorted.id
order by runs.id for update of runs

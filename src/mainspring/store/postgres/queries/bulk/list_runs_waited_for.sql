select wanted.run
from (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as wanted(run)
cross join lateral (select 1 from waits where waits.kind = 'run' and waits.filled = 0 and waits.name = wanted.run limit 1) as watchers

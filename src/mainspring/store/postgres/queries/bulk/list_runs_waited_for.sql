select requested.run
from (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as requested(run)
cross join lateral (select 1 from waits where waits.kind = 'run' and waits.filled = 0 and waits.name = requested.run limit 1) as watchers

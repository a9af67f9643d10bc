update run_keys set state = requested.state
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as text[])) limit cardinality(cast(?1 as text[])))
     as requested(automation, key, run, state)
where run_keys.automation = requested.automation and run_keys.key = requested.key and run_keys.run = requested.run

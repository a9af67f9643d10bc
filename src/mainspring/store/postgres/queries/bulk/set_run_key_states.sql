update run_keys set state = wanted.state
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as text[])) limit cardinality(cast(?1 as text[])))
     as wanted(automation, key, run, state)
where run_keys.automation = wanted.automation and run_keys.key = wanted.key and run_keys.run = wanted.run

-- Deliveries under these keys; the one with variant '' holds its key.
select {{columns.deliveries.known_key}}
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[])) limit cardinality(cast(?1 as text[]))) as requested(trigger, key)
join deliveries on deliveries.trigger = requested.trigger and deliveries.key = requested.key

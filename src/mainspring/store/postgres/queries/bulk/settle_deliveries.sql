-- A delivery that starts a run holds its key from now on.
update deliveries set state = requested.state, note = requested.note, run = requested.run, due_at = null, by_key = requested.by_key, filtered = 0, changed_at = ?7,
                      variant = case when requested.holds_key = 1 then '' else variant end
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as text[]), cast(?4 as text[]), cast(?5 as text[]), cast(?6 as bigint[]))
      limit cardinality(cast(?1 as text[]))) as requested(id, state, note, run, by_key, holds_key)
where deliveries.id = requested.id and deliveries.state || '' = {{received}}
returning deliveries.id

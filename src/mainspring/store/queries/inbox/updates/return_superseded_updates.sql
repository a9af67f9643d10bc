-- An update gets back its earlier place in the order of arrival.
insert into inbox (seq, run, kind, name, ident, payload, source, at)
select run_updates.seq, run_updates.run, {{update}}, run_updates.name, run_updates.ident, journal.output, run_updates.id, run_updates.requested_at
from run_updates join journal on journal.run = run_updates.run and journal.ident = run_updates.ident
where run_updates.run = ? and journal.kind = {{update}} and journal.superseded is not null
on conflict do nothing

insert into inbox (seq, run, kind, name, payload, source, at)
select run_updates.seq, run_updates.run, {{update}}, run_updates.name, journal.output, run_updates.id, run_updates.requested_at
from run_updates join journal on journal.run = run_updates.run and journal.ident = run_updates.ident
where run_updates.run = :run and run_updates.seq = :seq and journal.kind = {{update}}
on conflict do nothing

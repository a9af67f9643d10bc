-- Children that failed and were asked to stay, of which the run that ends was handed no outcome: no one handled their failure.
insert into faults (run, automation, state, reason, ident, failure, at, healthy, item)
select child.id, child.automation, child.state, child.reason, child.failed_ident, child.failure, child.changed_at, child.healthy,
       coalesce(child.item, child.id)
from runs as child
where child.parent = ?1 and child.state = {{failed}} and child.close_policy = 'keep' and coalesce(child.reason, '') <> {{discarded}}
  and not exists (select 1 from journal where journal.run = ?1 and journal.ident = child.parent_ident)
  and not exists (select 1 from faults where faults.run = child.id and faults.settled_at is null)

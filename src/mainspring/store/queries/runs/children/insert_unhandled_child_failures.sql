-- Children with a failure that was never handled: the ending run received no outcome of a child that was to be kept, or nothing in its code
-- awaited the outcome (?2, their requests).
insert into failures (run, automation, state, reason, ident, failure, at, healthy, item)
select child.id, child.automation, child.state, child.reason, child.failed_ident, child.failure, child.changed_at, child.healthy,
       coalesce(child.item, child.id)
from runs as child
where child.parent = ?1 and child.state = {{failed}} and coalesce(child.reason, '') <> {{discarded}}
  and (child.parent_ident in (select value from json_each(?2))
       or child.close_policy = 'keep'
       and not exists (select 1 from journal where journal.run = ?1 and journal.ident = child.parent_ident))
  and not exists (select 1 from failures where failures.run = child.id and failures.settled_at is null)

-- The newest ?1 deliveries of each trigger that failed and were not replayed.
with recursive failing(name) as (
    select min(trigger) from deliveries where state = {{failed}}
    union all
    select (select min(trigger) from deliveries where state = {{failed}} and trigger > failing.name) from failing where failing.name is not null
)
select lost.trigger, lost.id, lost.note, lost.verified, 0, lost.received_at, lost.seq
from failing join deliveries as lost
  on lost.seq in (select seq from deliveries where state = {{failed}} and trigger = failing.name order by seq desc limit ?1)
where not exists (select 1 from deliveries as again where again.replay_of = lost.id)
  and (lost.replay_of is not null or lost.key not like '%#' || lost.id)
order by lost.trigger, lost.seq desc

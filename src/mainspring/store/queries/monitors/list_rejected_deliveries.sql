-- The rejected deliveries, the newest hundred of each trigger, that were not replayed; 1 = rejected before they were stored.
select lost.trigger, lost.id, lost.note, lost.verified, case when lost.key = 'refused:' || lost.id then 1 else 0 end, lost.received_at, lost.seq
from deliveries as lost
where lost.state = {{refused}} and not exists (select 1 from deliveries as again where again.replay_of = lost.id)
  and (lost.replay_of is not null or lost.key not like '%#' || lost.id)
order by lost.trigger, lost.seq desc

-- The settlements of the members of an incident's current opening: how, by whom, how many, why a person discarded one, and for a run that
-- failed again the incident of its last failure.
select f.settlement, f.settled_by as by, count(*) as number,
       max((select a.reason from audit_log as a where a.subject = 'run:' || f.run and a.verb = 'discard'
            and f.settlement = {{member.discarded}} order by a.seq desc limit 1)) as reason,
       max((select newest.incident from failures as newest where newest.run = f.run and f.settlement = {{member.failed_again}}
            order by newest.seq desc limit 1)) as incident
from incidents as i join failures as f on f.incident = i.id and f.opened = i.opened
where i.id = ?1
  and not exists (select 1 from failures as later where later.run = f.run and later.incident = i.id and later.opened = i.opened and later.seq > f.seq)
group by f.settlement, f.settled_by

-- The members of an incident's current opening, the open ones first, then the newest; each run by its last failure.
select f.run, f.item, f.at, f.settled_at, f.settlement, f.settled_by
from incidents as i join failures as f on f.incident = i.id and f.opened = i.opened
where i.id = ?1 and coalesce(f.settlement, '') <> {{member.failed_again}}
  and not exists (select 1 from failures as later where later.run = f.run and later.incident = i.id and later.opened = i.opened and later.seq > f.seq)
order by case when f.settled_at is null then 0 else 1 end, f.seq desc limit ?2

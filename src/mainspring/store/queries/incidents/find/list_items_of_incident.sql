-- The items of the failed runs of an incident's current opening, the open ones first, then the newest.
select f.run, f.item, runs.title, f.settled_at
from incidents as i join failures as f on f.incident = i.id and f.opened = i.opened
left join runs on runs.id = f.run
where i.id = ?1 and coalesce(f.settlement, '') <> {{member.failed_again}}
order by case when f.settled_at is null then 0 else 1 end, f.seq desc limit ?2

-- The members of the current opening of each of these incidents (?1 = JSON list of ids), by settlement, and the newest open one. A run that
-- failed again is a member only by its later failure, even if a person had discarded or resolved the earlier one.
select i.id, count(*), count(case when f.settled_at is null then 1 end),
       count(case when f.settlement in {{members.fixed}} then 1 end),
       (select newest.run from failures as newest where newest.incident = i.id and newest.opened = i.opened and newest.settlement is null
        order by newest.seq desc limit 1)
from json_each(?1) as requested join incidents as i on i.id = requested.value
join failures as f on f.incident = i.id and f.opened = i.opened
where coalesce(f.settlement, '') <> {{member.failed_again}}
  and not exists (select 1 from failures as later where later.run = f.run and later.incident = i.id and later.opened = i.opened and later.seq > f.seq)
group by i.id, i.opened

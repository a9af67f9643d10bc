-- Runs that a person helped (by an operation of ?3, a list as JSON), then runs that a person started, among the newest recorded operations.
select runs.automation, 0, count(distinct runs.id)
from (select verb, subject, actor, at from audit_log order by seq desc limit ?2) as operations join runs on runs.id = substr(operations.subject, 5)
where operations.at >= ?1 and operations.subject like 'run:%' and operations.actor not like 'app:%'
  and operations.verb in (select value from json_each(?3))
group by runs.automation
union all
select substr(operations.subject, 12), 1, count(*)
from (select verb, subject, actor, at from audit_log order by seq desc limit ?2) as operations
where operations.at >= ?1 and operations.verb = 'start' and operations.subject like 'automation:%' and operations.actor like 'cli:%'
group by substr(operations.subject, 12)

-- Runs that a person helped (by an operation of ?3, a list as JSON), then runs that a person started, among the newest recorded operations.
select runs.automation, 0, count(distinct runs.id)
from (select verb, subject, actor, at from audit_log order by seq desc limit ?2) as acts join runs on runs.id = substr(acts.subject, 5)
where acts.at >= ?1 and acts.subject like 'run:%' and acts.actor not like 'app:%'
  and acts.verb in (select value from json_each(?3))
group by runs.automation
union all
select substr(acts.subject, 12), 1, count(*)
from (select verb, subject, actor, at from audit_log order by seq desc limit ?2) as acts
where acts.at >= ?1 and acts.verb = 'start' and acts.subject like 'automation:%' and acts.actor like 'cli:%'
group by substr(acts.subject, 12)

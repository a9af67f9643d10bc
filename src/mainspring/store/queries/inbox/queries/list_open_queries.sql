-- The owner of a run answers; of a run that no session owns, any worker that has its code.
select {{columns.run_queries.open_query}}
from run_queries join runs on runs.id = run_queries.run
where run_queries.answered_at is null and run_queries.session is null and run_queries.until_at > ?2
  and (runs.session = ?1
       or (runs.session is null and exists (select 1 from session_automations
                                            where session_automations.session = ?1 and session_automations.automation = runs.automation
                                              and session_automations.version = runs.version)))
order by run_queries.until_at limit ?3

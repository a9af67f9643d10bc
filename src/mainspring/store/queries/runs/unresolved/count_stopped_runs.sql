-- Runs that need a person. ?1 = limit of the count, ?2 = JSON list of automations, null = all. For the index see
-- count_stopped_without_incident.
select count(*) from (
    select 1 from runs indexed by runs_state
    where runs.state = {{needs_attention}} and runs.state not in ({{running}}, {{succeeded}})
      and (cast(?2 as text) is null or runs.automation in (select value from json_each(?2)))
    limit ?1
) as stopped

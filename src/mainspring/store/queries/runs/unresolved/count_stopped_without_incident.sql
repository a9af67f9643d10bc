-- Runs that need a person and are part of no incident that is there. ?2 = JSON list of automations, null = all.
-- That it is neither of the two states which the index of states leaves out is said so that SQLite takes that index.
select count(*) from (
    select 1 from runs indexed by runs_state
    where runs.state = {{needs_attention}} and runs.state not in ({{running}}, {{succeeded}})
      and (cast(?2 as text) is null or runs.automation in (select value from json_each(?2))) and not exists (
        select 1 from failures join incidents on incidents.id = failures.incident
        where failures.run = runs.id and failures.settled_at is null and incidents.state <> {{resolved}}
    ) limit ?1
) as unattended

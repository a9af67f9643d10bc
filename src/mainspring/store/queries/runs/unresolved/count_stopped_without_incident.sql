-- Runs that need a person and are part of no unresolved incident. ?2 = JSON list of automations, null = all. The condition that excludes
-- the two states missing in the index of states makes SQLite use that index.
select count(*) from (
    select 1 from runs indexed by runs_state
    where runs.state = {{needs_attention}} and runs.state not in ({{running}}, {{succeeded}})
      and (cast(?2 as text) is null or runs.automation in (select value from json_each(?2))) and not exists (
        select 1 from failures join incidents on incidents.id = failures.incident
        where failures.run = runs.id and failures.settled_at is null and incidents.state <> {{resolved}}
    ) limit ?1
) as unattended

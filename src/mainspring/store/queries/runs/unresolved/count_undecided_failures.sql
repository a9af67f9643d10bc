-- Failed runs that are open members: no one has decided on them. ?1 = where counting stops, ?2 = JSON list of automations, null = all.
select count(*) from (
    select 1 from faults join runs on runs.id = faults.run
    where faults.settled_at is null and runs.state = {{failed}}
      and (cast(?2 as text) is null or faults.automation in (select value from json_each(?2)))
    limit ?1
) as undecided

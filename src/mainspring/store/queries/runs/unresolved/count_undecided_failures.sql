-- Failed runs that are open members: undecided. ?1 = limit of the count, ?2 = JSON list of automations, null = all.
select count(*) from (
    select 1 from failures join runs on runs.id = failures.run
    where failures.settled_at is null and runs.state = {{failed}}
      and (cast(?2 as text) is null or failures.automation in (select value from json_each(?2)))
    limit ?1
) as undecided

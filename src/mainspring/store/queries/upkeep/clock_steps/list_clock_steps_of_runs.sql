select id, clock_steps, coalesce((select max(rank) from journal where run = runs.id), 0) from runs
where id in (select value from json_each(?)) and clock_steps is not null order by id

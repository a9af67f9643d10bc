select id from runs where id in (select value from json_each(?1)) and (finished_at is not null or state = {{needs_attention}})
union all
select id from run_updates where id in (select value from json_each(?1)) and replied_at is not null
union all
select id from run_queries where id in (select value from json_each(?1)) and answered_at is not null

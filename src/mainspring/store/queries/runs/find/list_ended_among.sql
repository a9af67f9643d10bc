select id from runs where id in (select value from json_each(?)) and (finished_at is not null or state = {{needs_attention}})

delete from effect_calls where run in (select value from json_each(?))

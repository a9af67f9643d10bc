delete from flag_answers where run in (select value from json_each(?))

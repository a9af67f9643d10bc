delete from checkpoints where run in (select value from json_each(?))

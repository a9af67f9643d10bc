insert into bulk_parts (bulk, run) select cast(?1 as text), value from json_each(?2) where true

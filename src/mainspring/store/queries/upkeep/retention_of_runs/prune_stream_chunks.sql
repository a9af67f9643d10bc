delete from stream_chunks where run in (select value from json_each(?))

delete from stream_writers where run in (select value from json_each(?))

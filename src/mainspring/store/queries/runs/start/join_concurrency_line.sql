-- The trigger runs_share_slots gives a free slot to the first of the line.
update runs set blocked = 'concurrency' where id in (select value from json_each(?)) and blocked = 'concurrency'

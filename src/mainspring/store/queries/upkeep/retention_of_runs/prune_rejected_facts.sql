delete from rejected_facts where run in (select value from json_each(?))

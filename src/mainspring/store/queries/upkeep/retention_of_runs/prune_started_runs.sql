delete from started_runs where starter in (select value from json_each(?))

-- Runs that these runs requested and still wait for: their children, and the runs that they found by a key.
select id from runs where parent in (select value from json_each(:runs)) and finished_at is null
union
select name from waits where kind = 'run' and filled = 0 and run in (select value from json_each(:runs))

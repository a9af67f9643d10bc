select logs.run, logs.seq, logs.ident, logs.attempt, logs.first_at, logs.last_at, logs.lines, logs.size, logs.body, runs.automation
from logs join runs on runs.id = logs.run
where logs.last_at >= ?1 and (cast(?2 as text) is null or runs.automation in (select value from json_each(?2))) order by logs.last_at desc limit ?3

select id, state, host, pid, pid_started, deploy, tags, queues, posts, capacity, blocked, findings,
       (select count(*) from (select 1 from runs where runs.session = sessions.id limit 1000) as counted)
from sessions indexed by sessions_alive where state in ({{alive}}, {{draining}}) order by id desc limit ?

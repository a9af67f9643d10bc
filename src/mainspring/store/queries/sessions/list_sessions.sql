select id, uuid, role, state, host, hostname, pid, pid_started, lock_path, deploy, tags, queues, opened_at, beat_at, ended_at, posts, capacity,
       (select count(*) from (select 1 from runs where runs.session = sessions.id limit 1000) as counted), blocked, memory, processor, findings
from sessions order by id desc limit ?

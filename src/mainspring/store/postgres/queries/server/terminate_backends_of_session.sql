-- An operation of a silent process on the server holds its session and its runs as long as the server waits for it: the server waits
-- without end for a stopped client that does not read its answer.
select pg_terminate_backend(activity.pid) from sessions
join pg_locks as locks on locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1
  and (locks.classid::bigint << 32) + locks.objid::bigint = sessions.instance
join pg_stat_activity as activity on activity.pid = locks.pid and activity.datname = current_database() and activity.usename = current_user
where sessions.id = ?

-- Transactions of this store whose client has sent or received nothing for so long. In the middle of a message such a transaction is not
-- `idle in transaction`, and no statement runs: none of the server's own limits ends it. It belongs to this store if it checks a session,
-- and holds the lock of its process.
select pg_terminate_backend(activity.pid), activity.pid from pg_stat_activity as activity
where activity.datname = current_database() and activity.usename = current_user and activity.pid <> pg_backend_pid()
  and activity.xact_start is not null and activity.wait_event_type = 'Client'
  and activity.state_change < clock_timestamp() - make_interval(secs => :still / 1000.0)
  and exists (
    select from pg_locks as proof where proof.pid = activity.pid and proof.granted
      and proof.locktype = 'relation' and proof.mode = 'RowShareLock' and proof.relation = cast('sessions' as regclass)
  )
  and exists (select from pg_locks as own where own.pid = activity.pid and own.granted and own.locktype = 'advisory' and own.objsubid = 1)

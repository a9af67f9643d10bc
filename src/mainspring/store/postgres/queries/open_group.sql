-- Whatever this process sent before on a connection that broke is over, one way or the other, once the lock is ours.
select set_config('search_path', :schema, true), set_config('idle_in_transaction_session_timeout', :stands_still, true),
       set_config('lock_timeout', :waits, true), set_config('statement_timeout', :runs, true), pg_advisory_xact_lock(:instance)

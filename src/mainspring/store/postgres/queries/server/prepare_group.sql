-- After this lock is acquired, all earlier transactions of this process on a broken connection have ended. A plan that was made while the
-- tables were small is kept when they have grown: every statement of a group must use an index from the start.
select set_config('search_path', :schema, true), set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
       set_config('lock_timeout', :waits, true), set_config('statement_timeout', :runs, true), set_config('enable_seqscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true),
       pg_advisory_xact_lock(:instance)

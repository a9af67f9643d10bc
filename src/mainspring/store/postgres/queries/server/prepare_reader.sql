-- Once per unshared connection: the settings that prepare_read sends in each transaction, and that none of them writes.
select set_config('search_path', :schema, false), set_config('statement_timeout', :longest, false), set_config('jit', 'off', false),
       set_config('default_transaction_read_only', 'on', false)

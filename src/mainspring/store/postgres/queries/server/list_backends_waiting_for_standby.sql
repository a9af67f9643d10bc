select pid from pg_stat_activity where datname = current_database() and wait_event = 'SyncRep'

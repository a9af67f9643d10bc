update runs set crashes = crashes + 1 where id = ? and finished_at is null and state <> {{needs_attention}} returning crashes

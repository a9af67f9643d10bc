select count(*) from runs where suspect = 1 and finished_at is null and state <> {{needs_attention}}

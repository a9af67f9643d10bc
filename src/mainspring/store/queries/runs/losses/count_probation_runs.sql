select count(*) from runs indexed by runs_suspect where suspect = 1 and finished_at is null and state <> {{needs_attention}}

select coalesce(max(seq), 0) from clock_steps

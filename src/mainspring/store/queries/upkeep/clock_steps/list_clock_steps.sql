select seq, at, by_ms, lived, moved, ended_at from clock_steps order by seq desc limit ?

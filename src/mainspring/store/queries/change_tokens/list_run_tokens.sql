select seq, state, changed_at, steps, progress from runs order by seq desc limit ?

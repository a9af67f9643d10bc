select id, state, changed_at, number from incidents order by changed_at desc, seq desc limit ?

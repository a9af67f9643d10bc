select fresh, place, seq from runs indexed by runs_ready
where ready = 1 and probation = ? and queue = ? and automation = ? and version = ? and tag = ? and fresh >= ? and fresh <= ?
  and (deploy <= ? or deploy > ?)
order by fresh, place, seq limit ?
for update skip locked

select fresh, place, seq from runs
where id in (select value from json_each(?)) and ready = 1 and probation = ? and queue = ? and automation = ? and version = ? and tag = ?
  and fresh >= ? and fresh <= ? and (deploy <= ? or deploy > ?)
order by fresh, place, seq limit ?

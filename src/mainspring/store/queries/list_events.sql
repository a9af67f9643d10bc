select seq, id, name, key, data, at, keep_until, woken from events where (?1 is null or name = ?1) and seq < ?2 order by seq desc limit ?3

select seq, id, name, key, data, at, keep_until, woken from events where (cast(?1 as text) is null or name = ?1) and seq < ?2 order by seq desc limit ?3

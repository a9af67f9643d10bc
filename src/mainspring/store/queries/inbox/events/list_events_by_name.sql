select seq, id, name, key, data, at, keep_until, woken from events where name = ? and seq < ? order by seq desc limit ?

select seq, id, name, key, data, at, keep_until, woken from events where seq < ? order by seq desc limit ?

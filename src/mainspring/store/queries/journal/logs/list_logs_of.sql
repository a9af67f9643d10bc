select run, seq, ident, attempt, first_at, last_at, lines, size, body from logs where run = ?1 and seq > ?2 order by seq limit ?3

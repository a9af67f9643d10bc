select run, seq, ident, attempt, first_at, last_at, lines, size, body from logs
where run = ?1 and (cast(?2 as text) is null or ident = ?2) and seq < ?3 order by seq desc limit ?4

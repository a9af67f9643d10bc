insert into logs (run, seq, ident, attempt, first_at, last_at, lines, size, upto, body)
select id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 from runs where id = ?1

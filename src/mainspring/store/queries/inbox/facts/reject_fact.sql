insert into rejected_facts (run, kind, name, ident, payload, source, at, failure, rejected_at)
select run, kind, name, ident, payload, source, at, ?3, ?4 from inbox where seq = ?1 and run = ?2

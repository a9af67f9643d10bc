insert into failures (run, automation, state, reason, ident, failure, at, healthy, item)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, healthy, coalesce(item, id) from runs where id = ?1

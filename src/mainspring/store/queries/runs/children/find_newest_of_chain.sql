-- The newest run of a chain, by any run of it; no row if nothing continues the run.
select id from runs where chain = (select coalesce((select chain from runs where id = ?1), ?1)) order by seq desc limit 1

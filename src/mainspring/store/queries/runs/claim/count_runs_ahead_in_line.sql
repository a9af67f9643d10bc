-- Of the first ?6 runs of a line, those ahead of this one: the rest of a long line is not read.
select count(*) from (
    select fresh, -priority as behind, seq from runs where automation = ?1 and concurrency_key = ?2 and blocked = 'concurrency'
    order by fresh, priority desc, seq limit ?6
) as first_runs
where (fresh, behind, seq) < (?3, ?4, ?5)

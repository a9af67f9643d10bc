select queue, count(*) from (
    select * from (select queue from runs indexed by runs_finished where state = {{succeeded}} and finished_at >= ?1 order by finished_at limit ?2) as good
    union all
    select * from (select queue from runs indexed by runs_finished where state = {{failed}} and finished_at >= ?1 order by finished_at limit ?2) as bad
    union all
    select * from (select queue from runs indexed by runs_finished where state = {{cancelled}} and finished_at >= ?1 order by finished_at limit ?2) as given_up
) as newest
group by queue

select queue, count(*) from (
    select queue from runs indexed by runs_finished where state in {{terminal}} and finished_at >= ?1 limit ?2) as newest
group by queue

-- Ids sort by time.
select queue, count(*) from (select queue from runs where id >= ?1 limit ?2) as newest group by queue

-- Ids are ordered by time.
select queue, count(*) from (select queue from runs where id >= ?1 order by id limit ?2) as newest group by queue

-- As list_unfinished_of, for the runs of one schedule.
select id, case when started_at is null and trigger like {{backfills}} then 1 else 0 end as is_in_line
from runs indexed by runs_unfinished
where automation = ?1 and finished_at is null and schedule = ?2 order by is_in_line, seq limit ?3

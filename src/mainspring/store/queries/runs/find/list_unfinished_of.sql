select id, case when started_at is null and trigger like {{backfills}} then 1 else 0 end as is_in_line
from runs indexed by runs_unfinished where automation = ? and finished_at is null order by is_in_line, seq limit ?

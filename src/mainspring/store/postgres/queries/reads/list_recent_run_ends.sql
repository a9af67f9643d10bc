-- What ended before the clock was put back, and did not live through that, ended as much earlier by the clock as it goes now.
-- The newest ends of some automations, in commit order. Of runs that have not ended so many may lie before them that some are looked at only.
-- A range of one name, put into order by it: the server would else walk down the runs of all automations.
select ended.automation, ended.id, ended.state, ended.started_at, ended.finished_at + coalesce((
           select cast(sum(by_ms) as bigint) from clock_steps
           where by_ms < 0 and last >= ended.seq and since_at <= ended.finished_at and ended.clock_steps is null), 0),
       ended.output_size
from json_each(?1) as wanted cross join lateral (
    select * from (
        select automation, id, state, started_at, finished_at, output_size, clock_steps, seq from runs
        where runs.automation >= wanted.value and runs.automation <= wanted.value order by runs.automation desc, seq desc limit 200) as looked_at
    where finished_at is not null order by looked_at.automation desc, seq desc limit ?2) as ended
order by ended.automation, ended.seq desc

-- Runs that ended before the clock was set back, and did not live through that, count as ended by the current clock: earlier by as much.
-- The newest ends of some automations, in commit order. Many unfinished runs may precede them, so only a bounded number is searched. A
-- range of one name, sorted by it: otherwise the server would scan the runs of all automations.
select ended.automation, ended.id, ended.state, ended.started_at, ended.finished_at + coalesce((
           select cast(sum(by_ms) as bigint) from clock_steps
           where by_ms < 0 and last >= ended.seq and since_at <= ended.finished_at and ended.clock_steps is null), 0),
       ended.output_size
from json_each(?1) as requested cross join lateral (
    select * from (
        select automation, id, state, started_at, finished_at, output_size, clock_steps, seq from runs
        where runs.automation >= requested.value and runs.automation <= requested.value order by runs.automation desc, seq desc limit 200) as recent
    where finished_at is not null order by recent.automation desc, seq desc limit ?2) as ended
order by ended.automation, ended.seq desc

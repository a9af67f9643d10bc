-- Runs that ended before the clock was set back, and did not live through that, count as ended by the current clock: earlier by as much.
-- The newest ends of some automations, in commit order. Many unfinished runs may precede them, so only a bounded number is searched.
select runs.automation, runs.id, runs.state, runs.started_at, runs.finished_at + coalesce((
           select cast(sum(by_ms) as bigint) from clock_steps
           where by_ms < 0 and last >= runs.seq and since_at <= runs.finished_at and runs.clock_steps is null), 0),
       runs.output_size
from json_each(?1) as requested join runs on runs.seq in (
    select seq from (
        select seq, finished_at from runs as newest indexed by runs_automation where newest.automation = requested.value order by seq desc limit 200) as recent
    where finished_at is not null limit ?2)
order by runs.automation, runs.seq desc

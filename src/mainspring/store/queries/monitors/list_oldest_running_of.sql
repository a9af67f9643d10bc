-- As list_oldest_running, for some automations, among a bounded number of the oldest unfinished runs, because many may wait.
select requested.value, (
    select min(oldest.started_at) from (
        select runs.started_at, runs.state from runs indexed by runs_unfinished
        where runs.automation = requested.value and runs.finished_at is null order by runs.seq limit 200) as oldest
    where oldest.state = {{running}})
from json_each(?1) as requested

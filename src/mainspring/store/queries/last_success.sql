-- The newest success: of the figures, which outlive the runs, and of the newest runs. Runs are in commit order, so some are looked at.
select max(at) from (
    select max(minute_at) as at from rollups where automation = ?1 and succeeded > 0
    union all
    select max(finished_at) from (
        select finished_at from runs indexed by runs_automation where automation = ?1 and state = {{succeeded}} order by seq desc limit 200) as newest) as found

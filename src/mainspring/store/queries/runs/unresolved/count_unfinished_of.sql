-- Unfinished runs of an automation; the number stops at ?2.
select count(*) from (
    select 1 from runs indexed by runs_unfinished where runs.automation = ?1 and runs.finished_at is null limit ?2
) as unended

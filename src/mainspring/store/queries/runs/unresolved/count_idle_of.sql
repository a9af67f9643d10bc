-- The unfinished runs of each automation of ?1 (JSON list of names) that no process owns; each number stops at ?2.
select requested.value,
       (select count(*) from (
            select 1 from runs indexed by runs_unfinished
            where runs.automation = requested.value and runs.finished_at is null and runs.state in {{idle}} limit ?2) as counted)
from json_each(?1) as requested

-- Whether a cancel waits for the run, or the run has received a cancel or its deadline.
select 1 from inbox where run = ?1 and kind = {{cancel}}
union all
select 1 from journal where run = ?1 and kind in ({{cancel}}, {{deadline}}) and superseded is null
limit 1

-- Whether a step or child of a run has an undo.
select 1 from journal where run = ?1 and undo is not null
union all
select 1 from attempts where run = ?1 and undo is not null
limit 1

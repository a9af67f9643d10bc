-- Among a bounded number of the newest failed runs, those created since an instant: commit order is the order of creation.
select count(*) from (
    select created_at from runs indexed by runs_state where state = {{failed}} and state not in ({{running}}, {{succeeded}}) order by seq desc limit ?2
) as newest
where created_at >= ?1

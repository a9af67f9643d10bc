-- Of the newest so many runs that failed, those that were made since an instant: the order of commits is that of creation.
select count(*) from (
    select created_at from runs indexed by runs_state where state = {{failed}} and state not in ({{running}}, {{succeeded}}) order by seq desc limit ?2
) as newest
where created_at >= ?1

-- The child of a request, also one that a later generation of its parent superseded.
select id from runs
where parent = ?1 and parent_ident = ?2 and close_policy = 'cancel' and run_key is null and (superseded is null or superseded > ?3)
order by superseded is not null desc, superseded, seq desc limit 1

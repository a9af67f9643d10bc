select request_number from attempts where run = ?1 and ident = ?2 and superseded is null
union all select parent_request_number from runs where parent = ?1 and parent_ident = ?2 and superseded is null
order by 1 limit 1

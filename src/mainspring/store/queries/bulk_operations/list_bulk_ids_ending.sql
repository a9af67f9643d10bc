-- There are few of them, and no index for their endings.
select id, null from bulk_operations where substr(id, 23) in (select value from json_each(?1)) order by id

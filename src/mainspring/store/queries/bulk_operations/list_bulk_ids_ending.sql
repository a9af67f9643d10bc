-- There are few of them, and none has an index for its end.
select id, null from bulk_acts where substr(id, 23) in (select value from json_each(?1)) order by id

-- Only messages that wait for a person have an id that people type.
select id, null from outbox where state = {{refused}} and substr(id, 23) in (select value from json_each(?1)) order by id

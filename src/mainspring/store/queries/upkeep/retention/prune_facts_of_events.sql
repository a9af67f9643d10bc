delete from consumed_facts where kind = {{event}} and source in (
    select id from events where seq in (select cast(value as bigint) from json_each(?)))

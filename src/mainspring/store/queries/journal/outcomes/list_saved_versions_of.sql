-- The versions of changes that runs take.
select run, name, output from journal
where run in (select value from json_each(?)) and kind = {{version}} and superseded is null order by run, rank

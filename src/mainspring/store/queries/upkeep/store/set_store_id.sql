insert into meta (key, value)
select 'store', ? where not exists (select 1 from meta where key = 'store')
on conflict (key) do nothing

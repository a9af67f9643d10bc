-- Shared: a session cannot be declared dead between this read and the commit. The instant is read after all waiting.
select (select state from sessions where id = ? for share), (extract(epoch from clock_timestamp()) * 1000)::bigint,
       (select number from commits where writer = ?), (select value::bigint from meta where key = 'epoch'),
       (select count(*) = 2 from meta where key in ('held', 'lost_commits'))

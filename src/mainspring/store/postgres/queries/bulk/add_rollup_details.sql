insert into rollup_details (session, automation, minute_at, metric, n)
select * from unnest(cast(?1 as bigint[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as text[]), cast(?5 as bigint[]))
on conflict (automation, minute_at, metric, session) do update set n = rollup_details.n + excluded.n

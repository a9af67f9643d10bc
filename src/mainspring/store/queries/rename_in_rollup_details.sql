insert into rollup_details (session, automation, minute_at, what, n) select session, ?1, minute_at, what, n from rollup_details where automation = ?2
on conflict do update set n = n + excluded.n

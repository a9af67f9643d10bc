insert into rollup_details (session, automation, minute_at, what, n) select session, ?1, minute_at, what, n from rollup_details where automation = ?2
on conflict (automation, minute_at, what, session) do update set n = rollup_details.n + excluded.n

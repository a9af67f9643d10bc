-- One row per session: with one row for all, every start and claim of a queue would wait for the commit before.
insert into queue_backlogs (queue, session, n) values (:queue, :session, :by)
on conflict (queue, session) do update set n = queue_backlogs.n + excluded.n

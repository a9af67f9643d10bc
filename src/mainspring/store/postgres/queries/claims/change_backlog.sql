-- A row for each session: one row for all would make every start and every claim of a queue wait for the commit before.
insert into queue_backlogs (queue, session, n) values (:queue, :session, :by)
on conflict (queue, session) do update set n = queue_backlogs.n + excluded.n

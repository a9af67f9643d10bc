select state, finished_at is not null, session, fresh, queue from runs where id = ?

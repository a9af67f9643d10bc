select state, finished_at is not null, session, fresh, queue, codec from runs where id = ?

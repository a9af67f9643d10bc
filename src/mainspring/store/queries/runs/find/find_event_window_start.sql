select coalesce(window_at, created_at) from runs where id = ?

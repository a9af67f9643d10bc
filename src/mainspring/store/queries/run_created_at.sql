select created_at from runs where id = ?

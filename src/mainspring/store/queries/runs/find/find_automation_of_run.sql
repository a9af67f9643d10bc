select automation from runs where id = ?

select version from runs where id = ?

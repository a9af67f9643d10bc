select version from runs where id = ? and automation = ?

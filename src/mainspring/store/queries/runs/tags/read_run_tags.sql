select tags from runs where id = ?

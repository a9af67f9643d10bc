select deploy, state, tags from sessions where id = ?

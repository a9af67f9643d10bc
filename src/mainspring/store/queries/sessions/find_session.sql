select id from sessions where uuid = ?

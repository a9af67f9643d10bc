select state from sessions where id = ?

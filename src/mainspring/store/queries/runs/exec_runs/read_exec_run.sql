select state, reason from runs where id = ?

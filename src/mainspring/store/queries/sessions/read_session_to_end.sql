select {{columns.sessions.ending_session}} from sessions where id = ?

select {{columns.sessions.claiming_session}} from sessions where id = ?

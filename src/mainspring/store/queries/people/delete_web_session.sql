delete from web_sessions where hash = ?

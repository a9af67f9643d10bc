delete from web_sessions where name = ?1 and hash <> ?2

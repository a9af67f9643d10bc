select pid from sessions where id > ? and host = ? and state = {{quarantined}}

update sessions set findings = ? where id = ?

update sessions set deploy = ? where id = ?

select max(last_command) from secret_uses where session = ?

select max(last_command) from flag_uses where session = ?

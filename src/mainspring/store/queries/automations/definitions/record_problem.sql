update automations set problem = ? where name = ?

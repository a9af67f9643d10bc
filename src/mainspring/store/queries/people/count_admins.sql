select count(*) from people where role = ?

delete from desks where session = ?

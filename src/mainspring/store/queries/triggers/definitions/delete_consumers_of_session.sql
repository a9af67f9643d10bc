delete from consumers where session = ?

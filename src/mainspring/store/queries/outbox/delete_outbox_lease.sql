delete from outlets where queue = ? and lease = ?

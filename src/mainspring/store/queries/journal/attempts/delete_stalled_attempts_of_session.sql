delete from stalls where session = ?

select id from runs where session = ? and suspect = 1 order by seq

select id from runs where session = ? and probation = 1 order by seq

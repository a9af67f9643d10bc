select seq, data from events where name = ? order by seq

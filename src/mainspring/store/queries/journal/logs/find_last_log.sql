select seq, lines, upto from logs where run = ? order by seq desc limit 1

delete from logs where run = ?1 and (seq + lines <= ?2 or upto <= ?3) and (seq + lines > ?4 + 1 or upto > ?5)

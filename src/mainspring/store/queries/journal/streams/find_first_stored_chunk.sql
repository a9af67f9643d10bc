select seq from stream_chunks where run = ?1 and stream = ?2 and seq + records > ?3 and upto - size >= ?4 order by seq limit 1

select seq, records, upto from stream_chunks where run = ? and stream = ? order by seq desc limit 1

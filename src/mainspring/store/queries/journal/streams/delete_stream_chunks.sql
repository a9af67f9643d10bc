delete from stream_chunks where run = ? and stream = ? and seq < ?

select count(distinct stream) as number from stream_writers where run = ?

select source, generation, attempt, next_n from stream_writers where run = ? and ident = ? and stream = ?

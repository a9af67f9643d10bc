select 1 from stream_chunks
where run = ? and stream = ? and kind = ? and source = ? and ident = ? and generation = ? and attempt = ? and n = ? limit 1

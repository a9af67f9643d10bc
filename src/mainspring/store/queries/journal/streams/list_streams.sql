select stream as name, min(seq) as first, max(seq + records) - 1 as last, max(at) as last_at from stream_chunks where run = ? group by stream order by stream

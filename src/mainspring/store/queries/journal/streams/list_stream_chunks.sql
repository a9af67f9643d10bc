select {{columns.stream_chunks.stream_chunk}} from stream_chunks
where run = ?1 and stream = ?2 and seq >= coalesce((select max(first.seq) from stream_chunks as first where first.run = ?1 and first.stream = ?2 and first.seq <= ?3), 0)
order by seq limit ?4

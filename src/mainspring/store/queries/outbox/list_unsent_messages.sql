select seq, id, body, is_raw, key, headers
from (select oldest.*, sum(length(body)) over (order by seq) - length(body) as before
      from (select * from outbox where state = {{unsent}} and queue = ?1 order by seq limit ?2) as oldest) as summed
where before < ?3
order by seq

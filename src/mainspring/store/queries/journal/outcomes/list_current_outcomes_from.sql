select rank, ident, kind, state, requested_after from journal
where run = ?1 and superseded is null
  and rank >= (select min(rank) from journal
               where run = ?1 and superseded is null
                 and (kind in ({{cancel}}, {{deadline}}, {{cleanup_timeout}}) or ident in (select value from json_each(?2))))
order by rank

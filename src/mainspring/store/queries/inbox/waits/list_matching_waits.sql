-- A wait from a future instant, written by a clock that was ahead, exists, so it was opened before the event.
select run, ident from waits indexed by waits_match
where match_hash = ?1 and kind = 'event' and filled = 0 and (until_at is null or until_at > ?2)
  and (since_at <= ?2 or exists (select 1 from clock_steps where by_ms < 0 and at < since_at and since_at <= at - by_ms))
order by opened_at, run, ident

update event_cursors set seq = events.seq - 1 from events
where event_cursors.chain = (select coalesce(chain, id) from runs where id = ?1) and events.id = ?2 and event_cursors.seq >= events.seq
  and exists (select 1 from event_matches where event_matches.event = events.seq and event_matches.match_hash = event_cursors.match_hash)

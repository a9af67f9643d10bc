select run, ident from waits indexed by waits_match
where match_hash = ?1 and kind = 'event' and filled = 0 and since_at <= ?2 and (until_at is null or until_at > ?2) order by opened_at, run, ident

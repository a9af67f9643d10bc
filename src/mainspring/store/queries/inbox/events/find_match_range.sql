select min(event), max(event) from event_matches where match_hash = ?

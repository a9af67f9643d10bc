insert into event_matches (match_hash, event) values (?, ?) on conflict do nothing

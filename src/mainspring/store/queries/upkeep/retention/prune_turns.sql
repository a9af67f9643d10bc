delete from http_turns where at < ?

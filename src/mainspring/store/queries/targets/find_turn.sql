select at from http_turns where target = ? and owner = ?

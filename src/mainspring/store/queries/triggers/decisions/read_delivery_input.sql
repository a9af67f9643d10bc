select trigger, key, name, body_hash, body, data, headers, source, verified, state from deliveries where id = ?

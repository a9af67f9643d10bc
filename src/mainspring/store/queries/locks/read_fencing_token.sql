select token from lock_tokens where name = ?

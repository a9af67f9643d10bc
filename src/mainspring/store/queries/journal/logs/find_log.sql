select 1 from logs where run = ? and ident = ? and attempt = ? and first_at = ? and last_at = ? and lines = ? and size = ? limit 1

delete from http_targets where changed_at < ?1 and (open_until_at is null or open_until_at < ?1)

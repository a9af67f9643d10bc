update deliveries set changed_at = ? where id = ? and changed_at < ?

delete from start_links where until_at <= ?

update meta set value = ?1 where key = 'blobs.open_from' and value < ?1

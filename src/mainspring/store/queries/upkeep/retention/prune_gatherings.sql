delete from gatherings where changed_at < ?1 and deadline_at < ?1

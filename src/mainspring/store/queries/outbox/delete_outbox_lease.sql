delete from outbox_leases where queue = ? and lease = ?

update bulk_operations set lease = ?, until_at = ?, changed_at = ? where id = ?

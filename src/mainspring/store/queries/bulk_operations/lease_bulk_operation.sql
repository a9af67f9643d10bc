update bulk_acts set lease = ?, until_at = ?, changed_at = ? where id = ?

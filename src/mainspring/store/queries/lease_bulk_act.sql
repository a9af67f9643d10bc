update bulk_acts set lease = ?, until_at = ? where id = ?

update bulk_acts set until_at = ? where id = ?

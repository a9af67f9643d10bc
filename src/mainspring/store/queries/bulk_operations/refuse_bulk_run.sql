update bulk_parts set reason = ? where bulk = ? and run = ?

update bulk_parts set why = ? where bulk = ? and run = ?

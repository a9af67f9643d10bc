update bulk_operations set reached = ?, done = done + ?, refused = refused + ?, due_at = ?, lease = null, until_at = 0, changed_at = ? where id = ?

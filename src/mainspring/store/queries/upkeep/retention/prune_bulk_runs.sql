delete from bulk_parts where bulk = ?

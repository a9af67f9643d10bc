select run, reason from bulk_parts where bulk = ? and run > ? order by run limit ?

select run, reason from bulk_parts where bulk = ? and run > ? and reason is not null order by run limit ?

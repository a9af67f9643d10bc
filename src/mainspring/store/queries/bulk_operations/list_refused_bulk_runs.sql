select run, why from bulk_parts where bulk = ? and run > ? and why is not null order by run limit ?

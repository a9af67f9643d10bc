select at, kind, subject, was, value from circumstances where at >= ? and was is not null order by at

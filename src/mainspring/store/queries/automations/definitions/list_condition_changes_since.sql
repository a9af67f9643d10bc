select at, kind, subject, was, value from run_conditions where at >= ? and was is not null order by at

select value from run_conditions where kind = ? and subject = ? order by at desc limit 1

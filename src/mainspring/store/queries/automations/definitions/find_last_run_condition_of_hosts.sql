select value from run_conditions where kind = ? and subject like 'host:%' order by at desc limit 1

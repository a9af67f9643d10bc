select value from circumstances where kind = ? and subject like 'host:%' order by at desc limit 1

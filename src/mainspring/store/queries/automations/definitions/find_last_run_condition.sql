select value from circumstances where kind = ? and subject = ? order by at desc limit 1

select id from runs order by seq desc limit 1

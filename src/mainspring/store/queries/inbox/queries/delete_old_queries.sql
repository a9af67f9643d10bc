delete from run_queries where id in (select id from run_queries where until_at < ? order by until_at limit ?)

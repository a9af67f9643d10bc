select id from runs where automation = ? and finished_at is null order by seq limit 100

select id from runs where automation = ? and version = ? and finished_at is null order by seq limit ?

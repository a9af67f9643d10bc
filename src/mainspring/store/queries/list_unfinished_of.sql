select id from runs indexed by runs_unfinished where automation = ? and finished_at is null order by seq limit ?

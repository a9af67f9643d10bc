select id from runs where automation = ? and concurrency_key = ? and finished_at is null and id <> ? order by id

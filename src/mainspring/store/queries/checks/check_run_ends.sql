select id from runs where (state in {{terminal}}) <> (finished_at is not null) order by seq limit 20

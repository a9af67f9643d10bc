select count(*) from runs where finished_at is null

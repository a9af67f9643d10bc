select count(*) from runs where automation = ? and version = ? and finished_at is null

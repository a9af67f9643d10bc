select id from runs where parent = ? and parent_ident = ? and finished_at is null

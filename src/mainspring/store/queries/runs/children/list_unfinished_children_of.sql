select parent, parent_ident from runs where parent in (select value from json_each(?)) and superseded is null and finished_at is null

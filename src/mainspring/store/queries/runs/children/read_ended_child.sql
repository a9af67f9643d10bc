select automation, parent, parent_ident, state, result, failure from runs where id = ? and finished_at is not null

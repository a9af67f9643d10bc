select id, state, fresh, close_policy, queue from runs where parent = ? and finished_at is null

select deploy, state, tags, queues, role from sessions where id = ?

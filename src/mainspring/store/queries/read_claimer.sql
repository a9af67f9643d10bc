select deploy, state, tags, queues from sessions where id = ?

select child_queue from sessions where id = ? and child_queue is not null

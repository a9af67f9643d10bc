select {{columns.queues.queue_backlog}} from queues where name = ?

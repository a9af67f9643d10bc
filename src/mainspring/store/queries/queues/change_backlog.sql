update queues set backlog = case when backlog + :by > 0 then backlog + :by else 0 end where name = :queue

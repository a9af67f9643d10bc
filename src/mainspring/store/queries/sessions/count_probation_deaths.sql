select count(distinct session) from worker_losses where role = 'probation' and noticed in {{unexplained_losses}} and found_at > ?

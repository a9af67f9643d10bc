select count(*) from sessions where role = 'probation' and state = {{dead}} and ended_at > ?

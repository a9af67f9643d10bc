select paused_at, until_at, ended_at, paused_by as by, reason from pauses
where automation = ?1 and (ended_at is null or ended_at > ?2) and (until_at is null or until_at > ?2) order by paused_at

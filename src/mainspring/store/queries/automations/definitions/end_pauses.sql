update pauses set ended_at = ?1 where automation = ?2 and ended_at is null and paused_at <= ?1

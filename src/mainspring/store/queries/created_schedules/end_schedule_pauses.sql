update schedule_pauses set ended_at = ?1 where schedule = ?2 and ended_at is null

update pauses set automation = ?1
where automation = ?2 and not exists (select 1 from pauses as other where other.automation = ?1 and other.paused_at = pauses.paused_at)

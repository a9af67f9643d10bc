-- The pauses of a schedule that did not end before an instant, in the form of list_pauses.
select paused_at, null as until_at, ended_at, paused_by as by, reason from schedule_pauses
where schedule = ?1 and (ended_at is null or ended_at > ?2) order by paused_at

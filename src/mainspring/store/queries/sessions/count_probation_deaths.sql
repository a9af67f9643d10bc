-- Deaths that a quarantined run explains do not count.
select count(distinct session) from worker_losses
where role = 'probation' and noticed in {{unexplained_losses}} and found_at > ?
  and session not in (select worker_losses.session from runs join worker_losses on worker_losses.run = runs.id
                      where runs.state = {{needs_attention}} and runs.reason = {{crashes_worker}})

-- Requests of a time when the clock was ahead of ?1, which have waited for an instant of the wall clock since: starts, pauses, snoozes.
select 'start', count(*), max(due_at) from (
    select due_at from runs indexed by runs_state where state = {{queued}} and state not in ({{running}}, {{succeeded}}) and created_at > ?1 and due_at > ?1 limit 1000) as starts
union all
select 'pause', count(*), max(paused_until) from automations where paused_at > ?1 and paused_until > ?1
union all
select 'snooze', count(*), max(snoozed_until) from incidents where changed_at > ?1 and snoozed_until > ?1

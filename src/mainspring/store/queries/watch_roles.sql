select role,
    max(case when state = {{dead}} and beat_at - opened_at < ?1 then null else beat_at end),
    max(ended_at),
    max(case when state = {{dead}} then ended_at end)
from sessions
group by role

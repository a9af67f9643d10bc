select desks.trigger, desks.session, desks.connected_at, desks.away_since, desks.why, sessions.hostname from desks
left join sessions on sessions.id = desks.session order by desks.trigger, desks.session

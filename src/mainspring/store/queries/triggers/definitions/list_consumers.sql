select consumers.trigger, consumers.session, consumers.connected_at, consumers.away_since, consumers.why, sessions.hostname from consumers
left join sessions on sessions.id = consumers.session order by consumers.trigger, consumers.session

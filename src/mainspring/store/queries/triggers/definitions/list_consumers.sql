select consumers.trigger, consumers.session, consumers.connected_at, consumers.unreachable_at, consumers.reason, sessions.hostname from consumers
left join sessions on sessions.id = consumers.session order by consumers.trigger, consumers.session

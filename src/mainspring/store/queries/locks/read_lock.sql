select locks.owner, locks.session, locks.token, locks.acquired_at, sessions.state from locks left join sessions on sessions.id = locks.session
where locks.name = ?

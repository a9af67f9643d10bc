select outbox.id, outbox.queue, runs.automation from outbox left join runs on runs.id = outbox.run
where outbox.state = {{refused}} and outbox.fault = ?1 order by outbox.seq limit ?2

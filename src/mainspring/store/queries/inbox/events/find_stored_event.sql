-- Events after the clock was set back follow a run that existed before, or the first run of its chain, whatever the instants are.
select {{columns.events.stored_event}}
from event_matches join events on events.seq = event_matches.event
where event_matches.match_hash = ?1 and events.keep_until > ?3
  and (events.at >= ?2 or event_matches.event > (
      select min(last_event) from clock_steps
      where by_ms < 0 and at < ?2 and ?2 <= at - by_ms and last >= coalesce(
          (select seq from runs where id = (select coalesce(chain, id) from runs where id = ?4)), 0)))
  and event_matches.event > coalesce((select seq from event_cursors where chain = (select coalesce(chain, id) from runs where id = ?4)
                                                                    and match_hash = ?1 and since_at <= ?2), 0)
  and not exists (select 1 from consumed_facts where run = (select coalesce(chain, id) from runs where id = ?4)
                                              and kind = {{event}} and source = events.id)
order by event_matches.event limit 1

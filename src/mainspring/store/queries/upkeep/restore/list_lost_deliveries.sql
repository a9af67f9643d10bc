select deliveries.id, deliveries.trigger, deliveries.key, deliveries.name, deliveries.received_at from deliveries
where deliveries.state = {{failed}} and deliveries.note = ?1
  and not exists (select 1 from deliveries as again where again.replay_of = deliveries.id)
order by deliveries.seq limit ?2

select deliveries.id, deliveries.trigger, triggers.automation, deliveries.state, deliveries.received_at as at
from deliveries join triggers on triggers.name = deliveries.trigger
where deliveries.id >= ? and deliveries.id < ? order by deliveries.id desc limit ?

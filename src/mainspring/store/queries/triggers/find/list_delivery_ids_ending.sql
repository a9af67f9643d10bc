select deliveries.id, triggers.automation from deliveries left join triggers on triggers.name = deliveries.trigger
where substr(deliveries.id, 23) in (select value from json_each(?1)) order by deliveries.id

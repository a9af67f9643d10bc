delete from flow_control where keep_until < ? and not exists (select 1 from deliveries where deliveries.trigger = flow_control.trigger
    and deliveries.by_key = flow_control.by_key and deliveries.state = {{held}})

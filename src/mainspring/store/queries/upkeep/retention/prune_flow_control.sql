delete from paces where keep_until < ? and not exists (select 1 from deliveries where deliveries.trigger = paces.trigger
    and deliveries.by_key = paces.by_key and deliveries.state = {{held}})

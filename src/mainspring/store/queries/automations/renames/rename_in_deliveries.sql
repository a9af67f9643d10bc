update deliveries set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from deliveries as other where other.key = deliveries.key and other.variant = deliveries.variant
                  and other.trigger = ?1 || substr(deliveries.trigger, length(?2) + 1))

update deliveries set trigger = ?1 || substr(trigger, length(?2) + 1)
where substr(trigger, 1, length(?2) + 1) = ?2 || '/'
  and not exists (select 1 from deliveries as other where other.key = deliveries.key and other.trigger = ?1 || substr(deliveries.trigger, length(?2) + 1))

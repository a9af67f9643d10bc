update slots set schedule = ?1 || substr(schedule, length(?2) + 1)
where (schedule = ?2 or substr(schedule, 1, length(?2) + 1) = ?2 || '#')
  and not exists (select 1 from slots as other where other.slot_at = slots.slot_at and other.schedule = ?1 || substr(slots.schedule, length(?2) + 1))

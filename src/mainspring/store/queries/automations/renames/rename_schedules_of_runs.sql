update runs set schedule = ?1 || substr(schedule, length(?2) + 1) where automation = ?1 and (schedule = ?2 or substr(schedule, 1, length(?2) + 1) = ?2 || '#')

update schedules set name = ?1 || substr(name, length(?2) + 1)
where automation = ?1 and (name = ?2 or substr(name, 1, length(?2) + 1) = ?2 || '#')
  and not exists (select 1 from schedules as other where other.name = ?1 || substr(schedules.name, length(?2) + 1))

update flow_control set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from flow_control as other where other.by_key = flow_control.by_key and other.trigger = ?1 || substr(flow_control.trigger, length(?2) + 1))

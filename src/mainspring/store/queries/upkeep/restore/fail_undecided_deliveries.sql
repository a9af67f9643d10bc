update deliveries set state = {{failed}}, note = ?1, filtered = 0, due_at = null, changed_at = ?2
where state in ({{received}}, {{held}})

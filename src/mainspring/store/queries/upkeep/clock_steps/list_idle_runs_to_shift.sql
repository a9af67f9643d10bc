-- Unfinished runs in one state that no worker owns. Rows written between ?5 and ?6 may have been written by the new clock.
select seq, id from runs indexed by runs_state where state = ?7 and state not in ({{running}}, {{succeeded}}) and seq > ?1 and seq <= ?2
  and changed_at between ?3 and ?4 and not (changed_at between ?5 and ?6) order by seq limit ?8

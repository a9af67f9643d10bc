-- Runs that a worker owns. Rows written between ?5 and ?6 may have been written by the new clock.
select seq, id from runs where session is not null and seq > ?1 and seq <= ?2 and changed_at between ?3 and ?4
  and not (changed_at between ?5 and ?6) order by seq

-- The number of the operation that lies ?4 rows behind the first one of an actor, verb or subject (?1 = which of them, ?2 = its value)
-- below a number.
select case ?1
    when 'actor' then (select seq from audit_log where actor = ?2 and seq < ?3 order by seq desc limit 1 offset ?4)
    when 'verb' then (select seq from audit_log where verb = ?2 and seq < ?3 order by seq desc limit 1 offset ?4)
    else (select seq from audit_log where subject = ?2 and seq < ?3 order by seq desc limit 1 offset ?4)
end

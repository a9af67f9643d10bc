-- As for every database, and as list_audit_entries_of_actor: from one position of an index to another.
select case ?1
    when 'actor' then (select seq from audit_log where (actor, seq) < (?2, ?3) and (actor, seq) >= (?2, 0)
        order by actor desc, seq desc limit 1 offset ?4)
    when 'verb' then (select seq from audit_log where (verb, seq) < (?2, ?3) and (verb, seq) >= (?2, 0)
        order by verb desc, seq desc limit 1 offset ?4)
    else (select seq from audit_log where (subject, seq) < (?2, ?3) and (subject, seq) >= (?2, 0)
        order by subject desc, seq desc limit 1 offset ?4)
end

-- The recorded details of these operations; each is looked up separately, because a server would rather scan all operations.
select value, (select detail from audit_log where command = requested.value) from json_each(?) as requested

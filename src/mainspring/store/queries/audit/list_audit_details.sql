-- What is on record of these acts beside their subjects; each looked up by itself, as a server would rather walk over all acts.
select value, (select detail from audit_log where command = asked.value) from json_each(?) as asked

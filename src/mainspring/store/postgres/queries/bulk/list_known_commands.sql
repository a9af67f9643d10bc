select audit_log.command from (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as requested(command)
join audit_log on audit_log.command = requested.command

-- Who did what with which: for whoever filters the audit log.
create index audit_log_actor on audit_log (actor, seq);
create index audit_log_verb on audit_log (verb, seq);
create index audit_log_subject on audit_log (subject, seq);

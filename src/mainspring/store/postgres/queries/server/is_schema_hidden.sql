select not has_schema_privilege(oid, 'usage') from pg_namespace where nspname = ?

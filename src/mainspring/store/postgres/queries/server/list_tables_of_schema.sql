select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname = ? and relkind = 'r'
order by relname

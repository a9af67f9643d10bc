-- Finds only what is there already, and so writes nothing: its COMMIT would wait for no standby. This makes it wait, for all that stands before it.
select pg_logical_emit_message(true, 'mainspring', '')

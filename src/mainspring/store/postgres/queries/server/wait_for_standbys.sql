-- Finds only an existing row, and so writes nothing: its COMMIT would wait for no standby. This makes it wait, for all commits before it.
select pg_logical_emit_message(true, 'mainspring', '')

-- No compilation (jit): little is read, whatever the server expects, and compiling takes longer than reading.
select set_config('search_path', :schema, true), set_config('statement_timeout', :longest, true), set_config('jit', 'off', true)

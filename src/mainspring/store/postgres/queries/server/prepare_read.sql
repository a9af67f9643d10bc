-- Nothing is compiled (jit): of what is read little is read, whatever the server expects, and to compile takes longer than to read it.
select set_config('search_path', :schema, true), set_config('statement_timeout', :longest, true), set_config('jit', 'off', true)

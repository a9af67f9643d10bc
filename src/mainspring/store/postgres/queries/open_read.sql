select set_config('search_path', :schema, true), set_config('statement_timeout', :longest, true)

-- Sent in each transaction: through a pooler the next one may be another client's.
select set_config('search_path', :schema, true), set_config('jit', 'off', true)

insert into run_queries (id, run, name, input, until_at) values (:id, :run, :name, :input, :until) on conflict do nothing

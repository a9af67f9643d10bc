insert into run_updates (id, run, first_run, request_id, name, input_hash, state, seq, requested_at)
select :id, :run, :first_run, :request_id, :name, :input_hash, {{received}}, max(seq), :now from inbox where run = :run and kind = {{update}} and source = :id

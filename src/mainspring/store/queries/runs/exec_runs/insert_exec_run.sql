insert into runs (id, automation, kind, version, title, state, reason, queue, ready, fresh, place, created_at, started_at, finished_at, changed_at,
                  claim, codec, input, result, failure, failed_ident, run_key, trigger, steps, rank, output_size, healthy, item)
values (:id, :automation, :kind, :version, :title, :state, :reason, 'default', 0, 0, :started_at, :started_at, :started_at, :finished_at,
        :now, :claim, :codec, :input, :result, :failure, :failed_ident, :run_key, :trigger, :steps, :steps, :output_size, :healthy, :item)

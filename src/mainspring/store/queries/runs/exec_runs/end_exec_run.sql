-- The owner's own late report: on a run that it still owns, or that was declared lost with its process (reopened and ended in one commit).
update runs set state = :state, reason = :reason, session = null, ready = 0, due_at = null, finished_at = :finished_at,
                changed_at = :now, result = :result, failure = :failure, failed_ident = :failed_ident, waiting_for = null,
                steps = :steps, rank = :steps, output_size = :output_size
where id = :id and claim = :claim and ((session = :session and state in {{sources.succeed}})
                                       or (reason = {{process_lost}} and state in {{sources.reopen}}))

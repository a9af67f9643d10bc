update journal set superseded = :generation
where run = :run and superseded is null
  and (request_number >= :request_number or kind = {{undo}} or (rank > :received_rank and state in ({{failed}}, {{cancelled}})))

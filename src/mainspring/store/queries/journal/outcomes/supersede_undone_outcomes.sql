update journal set superseded = :generation
where run = :run and superseded is null
  and (asked >= :asked or kind = {{undo}} or (rank > :handed and state in ({{failed}}, {{cancelled}})))

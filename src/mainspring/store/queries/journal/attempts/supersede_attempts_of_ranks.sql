update attempts set superseded = ?1
where run = ?2 and superseded is null and state <> {{in_doubt}}
  and ident in (select ident from journal where run = ?2 and rank in (select cast(value as bigint) from json_each(?3)))

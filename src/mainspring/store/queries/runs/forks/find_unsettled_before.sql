select ident from journal
where run = ? and superseded is null and request_number < ? and state in ({{in_doubt}}, {{refused}}) order by rank limit 1

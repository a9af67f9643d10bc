delete from effects where run = ?1 and ident = ?2 and state = {{in_doubt}}

select count(*) from effects where state = {{in_doubt}}

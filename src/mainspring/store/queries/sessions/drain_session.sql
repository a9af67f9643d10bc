update sessions set state = {{draining}} where id = ? and state in ({{alive}}, {{draining}})

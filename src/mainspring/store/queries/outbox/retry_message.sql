update outbox set state = {{unsent}}, fault = null where id = ? and state = {{refused}}

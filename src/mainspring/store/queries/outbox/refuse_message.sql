update outbox set state = {{refused}}, fault = ? where seq = ? and queue = ? and state = {{unsent}}

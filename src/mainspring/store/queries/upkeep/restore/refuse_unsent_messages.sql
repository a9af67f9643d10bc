update outbox set state = {{refused}}, fault = ? where state = {{unsent}}

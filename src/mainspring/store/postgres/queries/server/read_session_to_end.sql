-- Waits for the open transaction of that session, which the server ends when it is stuck.
select {{columns.sessions.ending_session}} from sessions where id = ? for update

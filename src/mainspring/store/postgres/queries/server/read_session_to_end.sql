-- Waits for the open transaction of that session, which the server ends when it is stuck.
select state, role, freed from sessions where id = ? for update

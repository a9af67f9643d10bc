-- Waits for the open transaction of that session, which the server ends when it stands still.
select state, role, freed from sessions where id = ? for update

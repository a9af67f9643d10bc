insert into lock_waiters (name, ticket, owner, session, since_at, until_at, slots, note)
select :name, coalesce(max(ticket), 0) + 1, :owner, :session, :now, :until, :slots, :note from lock_waiters where name = :name

-- See the migration of PostgreSQL: here the trigger changes one run at a time, and finds it by its number.
select 1;

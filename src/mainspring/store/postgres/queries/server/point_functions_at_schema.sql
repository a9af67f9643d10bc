-- Functions that name the schema in which they work: after its rename they name the new one.
do $$
declare
    part record;
begin
    for part in
        select oid::regprocedure as signature from pg_proc
        where pronamespace = current_schema()::regnamespace and exists (select 1 from unnest(proconfig) setting where setting like 'search_path=%')
    loop
        execute format('alter function %s set search_path from current', part.signature);
    end loop;
end $$

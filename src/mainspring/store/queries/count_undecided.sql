-- Runs that failed since an instant (?1) and stand still although their error is over: a watcher found it well, and nobody said so. Errors of
-- which something is told, or was ended by a person, are left out. Of the ?3 errors that ended last the newest ?4 failures are looked at:
-- how many runs stand still, of how many errors, and whether there is one that failed more often since then. ?2 = JSON list of automations,
-- null = all. The kinds of incidents that tell of failed runs are named like the reasons.
select coalesce(sum(standing), 0), count(*), coalesce(max(is_cut), 0) from (
    select (
        select count(*) from (
            select seq, run, at from faults where faults.automation = past.automation and faults.fingerprint = past.fingerprint
            order by seq desc limit ?4
        ) as newest join runs on runs.id = newest.run and runs.state = {{failed}}
        where newest.at >= ?1 and not exists (select 1 from faults as later where later.run = newest.run and later.seq > newest.seq)
    ) as standing, (
        select count(*) from (
            select at from faults where faults.automation = past.automation and faults.fingerprint = past.fingerprint
            order by seq desc limit 1 offset ?4
        ) as following where following.at >= ?1
    ) as is_cut
    from (
        select automation, fingerprint, max(changed_at) as ended_at from incidents
        where changed_at >= ?1 and state = {{resolved}} and by is null
          and kind in ({{permanent_error}}, {{retries_exhausted}}, {{needs_attention}})
          and (cast(?2 as text) is null or automation in (select value from json_each(?2)))
          and not exists (
              select 1 from incidents as other where other.automation = incidents.automation and other.fingerprint = incidents.fingerprint
              and other.kind in ({{permanent_error}}, {{retries_exhausted}}, {{needs_attention}})
              and (other.state <> {{resolved}} or other.by is not null)
          )
          and not exists (select 1 from automations where automations.name = incidents.automation and automations.retired_at is not null)
        group by automation, fingerprint order by ended_at desc limit ?3
    ) as past
) as found

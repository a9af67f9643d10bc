select automation, fingerprint, type, code, place, message, first_at, last_at, number, first_run, last_run
from error_groups
where (cast(?1 as text) is null or automation = ?1)
      and (cast(?2 as text) is null or substr(fingerprint, 1, length(?2)) = ?2)
      and last_at >= ?3
      and (cast(?4 as text) is null or exists (
          select 1 from failures
          where failures.automation = error_groups.automation and failures.fingerprint = error_groups.fingerprint and failures.state = ?4
      ))
order by last_at desc limit ?5

select automation, fingerprint, type, code, place, message, first_at, last_at, number, first_run, last_run
from error_groups where (cast(?1 as text) is null or automation = ?1) order by last_at desc limit ?2

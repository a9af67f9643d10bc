insert into deployments (number, fingerprint, announced_at) select coalesce(max(number), 0) + 1, ?, ? from deployments

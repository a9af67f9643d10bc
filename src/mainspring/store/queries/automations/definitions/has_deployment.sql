select 1 from deployments limit 1

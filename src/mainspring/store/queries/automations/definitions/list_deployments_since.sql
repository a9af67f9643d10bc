select number, announced_at from deployments where announced_at >= ? order by number

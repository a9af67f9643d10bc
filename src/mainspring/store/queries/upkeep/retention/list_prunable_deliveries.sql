select seq from deliveries where changed_at < ?1 and state not in {{undecided}} order by changed_at limit ?2

update run_updates set run = :successor where run = :run and id in (select source from inbox where run = :successor and kind = {{update}})

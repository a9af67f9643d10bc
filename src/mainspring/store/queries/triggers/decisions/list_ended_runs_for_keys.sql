select deliveries.key, runs.state from deliveries join runs on runs.id = deliveries.run
where deliveries.trigger = ? and deliveries.key in (select value from json_each(?)) and runs.state in {{terminal}}

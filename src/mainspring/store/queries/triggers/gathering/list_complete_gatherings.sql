select gatherings.trigger, gatherings.per from gatherings join triggers on triggers.name = gatherings.trigger
where gatherings.run is null and gatherings.here >= gatherings.expected and triggers.ended_at is null order by gatherings.deadline_at limit ?

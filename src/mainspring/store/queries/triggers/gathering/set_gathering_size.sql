-- First of two: it waits for whoever puts an end there just now, so that what is counted next counts that end too.
update gatherings set wanted = ?1 where trigger = ?2 and run is null

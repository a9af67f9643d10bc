-- First of two statements: it waits for a process that is adding an end now, so that the next one counts that end too.
update gatherings set expected = ?1 where trigger = ?2 and run is null

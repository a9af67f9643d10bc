"""Remote programs: a client of a project's API, its handles on runs, its schedules, and its downloads of files."""

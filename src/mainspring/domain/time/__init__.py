"""Time: cron expressions, schedules, calendars, rates, and changes of the clock."""

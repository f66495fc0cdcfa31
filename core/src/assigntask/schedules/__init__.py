"""Apps' own schedules: when each is due next, and the runs that come of it."""

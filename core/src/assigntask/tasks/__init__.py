"""Projects, their statuses and labels, tasks and what belongs to them, and the readers of other trackers' exports."""

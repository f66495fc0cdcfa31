"""The loop that calls wake-ups, and knows nothing of what they do; and the jobs that apps give themselves."""

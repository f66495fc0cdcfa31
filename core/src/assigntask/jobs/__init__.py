"""What calls wake-ups, in one process or several, and knows nothing of what they do; and the jobs of apps."""

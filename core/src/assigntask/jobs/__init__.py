"""The loop that calls wake-ups. It knows nothing of what they do."""

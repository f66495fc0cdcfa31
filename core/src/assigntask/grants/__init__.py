"""What an installation may be given now, on whose behalf, and why."""

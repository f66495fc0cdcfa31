"""What the host counts and times as it works, and the page on which a monitor reads it."""

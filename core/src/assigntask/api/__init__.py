"""What apps call: the REST API."""

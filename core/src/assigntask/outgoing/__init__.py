"""Requests that leave this host, and where they may go."""

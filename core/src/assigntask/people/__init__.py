"""Organisations, departments, people, roles and contacts."""

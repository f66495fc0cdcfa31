"""Reporting, an app for AssignTask: tasks created and done per week and department."""

"""The rows of the apps' own storage, for each installation and for tasks and people within it."""

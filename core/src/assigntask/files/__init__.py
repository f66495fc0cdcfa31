"""Files that are attached to tasks: their bytes in chunks, what they are, and what never became one."""

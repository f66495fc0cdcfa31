"""A host."""

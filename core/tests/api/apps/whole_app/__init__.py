"""An app that asks for everything, and gives itself work."""

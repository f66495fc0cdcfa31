"""Calling apps: their loop, their code, the calls and what becomes of the answers."""

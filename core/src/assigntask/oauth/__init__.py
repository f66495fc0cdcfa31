"""The authorization server: clients, codes, tokens."""

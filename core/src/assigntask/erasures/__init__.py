"""Erasures: what was asked of vendors, and what they said to it."""

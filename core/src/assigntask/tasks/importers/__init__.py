"""Readers of other trackers' exports.

A reader is pure: bytes in, a `board.Board` or a `refusal.ImportRefused` out. What is written to the database, and how
a second run changes nothing, is decided by whoever calls it.
"""

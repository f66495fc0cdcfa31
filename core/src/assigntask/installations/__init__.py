"""The life of an installation: found, looked at, agreed to, upgraded, disabled, uninstalled, restored, wiped.

`life` is the table of states and `consent` the words, both pure. `installing`, `upgrading` and `leaving` are
what people call: each call is one transaction that begins by raising the organisation's epoch, which makes
acts of one organisation follow one another on every database.
"""

"""The append-only record of what passed the gate.

`tree` hashes entries into one Merkle tree per organisation, `checkpoint` signs its head, `keys` holds
the secrets outside the database. None of the three touches the database: nodes and folders are passed in.
"""

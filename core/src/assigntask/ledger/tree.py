"""The Merkle tree of RFC 6962, section 2.1, over SHA-256.

Storage keeps complete subtrees only: node (level, index) covers the leaves
`[index << level, (index + 1) << level)` and never changes once it exists, level 0 being the leaf hashes.
The root of any size, and any proof, is computed from O(log n) of them.

A proof is decided as ranges of leaves (start, stop; stop excluded) before any hash is read. A verifier
decides the same ranges, so it knows what each hash of a proof stands for, and rebuilds the roots from
there by the definition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from assigntask.ledger.errors import LedgerError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1  # sizes are kept in signed 64-bit columns; it also bounds what a foreign proof can cost
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    """A complete subtree of `2 ** level` leaves, with its 32-byte hash."""

    level: int
    index: int
    hash: bytes


class Nodes(Protocol):
    """Where complete nodes are kept."""

    def get(self, level: int, index: int) -> bytes:
        """Return the node's 32-byte hash; raise `node_missing(level, index)` when it is not there."""
        ...


class MemoryNodes:
    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._hashes: dict[tuple[int, int], bytes] = {}
        self.add(nodes)

    def add(self, nodes: Iterable[Node]) -> None:
        self._hashes.update(((node.level, node.index), node.hash) for node in nodes)

    def get(self, level: int, index: int) -> bytes:
        try:
            return self._hashes[level, index]
        except KeyError:
            raise node_missing(level, index) from None


def node_missing(level: int, index: int) -> LedgerError:
    return LedgerError(
        "tree_node_missing",
        f"Node {index} of level {level} is not in the ledger's tree. "
        "Run `assigntask ledger verify`, which compares the tree with the entries.",
    )


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def frontier(size: int) -> tuple[tuple[int, int], ...]:
    """Return the (level, index) of the complete nodes that make up a tree of `size`, left to right."""
    _check_size(size)
    return tuple((level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1)


def append(edge: Sequence[Node], leaf: bytes) -> list[Node]:
    """Return the nodes that one more leaf completes, lowest first; at least the leaf's own.

    `edge` holds the nodes of `frontier(size)` in that order; `leaf` is a leaf hash.
    Raises LedgerError `tree_frontier_wrong` for any other nodes, `tree_size_wrong` for a full tree.
    """
    return _append(edge, _size(edge), leaf)


def extend(edge: Sequence[Node], leaves: Iterable[bytes]) -> tuple[list[Node], tuple[Node, ...]]:
    """Append leaf hashes one after the other.

    Returns every node that they complete, in the order in which they complete, and the new frontier.
    Raises as `append` does.
    """
    size = _size(edge)
    new_edge = list(edge)
    completed: list[Node] = []
    for number, leaf in enumerate(leaves, size):
        completed += _grow(new_edge, number, leaf)
    return completed, tuple(new_edge)


def edge_root(edge: Sequence[Node]) -> bytes:
    """Return the root of the tree whose frontier nodes are `edge`.

    Raises LedgerError `tree_frontier_wrong` when these are not the nodes of `frontier(size)`.
    """
    _size(edge)
    return _joined([node.hash for node in edge])


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, holding O(log n) of them at a time."""
    edge: list[Node] = []
    for number, leaf in enumerate(leaf_hashes):
        _grow(edge, number, leaf)
    return edge_root(edge)


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of `size` leaves whose complete nodes are in `nodes`.

    Every method also answers for an earlier size. Sizes beyond the tree's raise LedgerError
    `tree_size_wrong`, a leaf outside it `tree_index_wrong`, a node not in storage `tree_node_missing`.
    """

    nodes: Nodes
    size: int

    @classmethod
    def of(cls, leaf_hashes: Iterable[bytes]) -> Self:
        completed, edge = extend((), leaf_hashes)
        return cls(MemoryNodes(completed), _size(edge))

    def edge(self, size: int | None = None) -> tuple[Node, ...]:
        """Return the frontier with its hashes: what `append` and `extend` continue from."""
        return tuple(Node(level, index, self.nodes.get(level, index)) for level, index in frontier(self._at(size)))

    def root(self, size: int | None = None) -> bytes:
        return self._hash((0, self._at(size)))

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of leaf `index` in the tree of `size`, lowest first (section 2.1.1)."""
        return [self._hash(part) for part in _inclusion_ranges(index, self._at(size))]

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of `new` continues the tree of `old` (section 2.1.2).

        Empty when both sizes are the same or `old` is 0.
        """
        return [self._hash(part) for part in _consistency_ranges(old, self._at(new))]

    def _at(self, size: int | None) -> int:
        if size is None:
            return self.size
        _check_size(size)
        if size > self.size:
            raise LedgerError(
                "tree_size_wrong",
                f"The ledger's tree has {self.size} entries, not {size}. "
                "Ask for a size up to that, or wait until the newer entries are sealed.",
            )
        return size

    def _hash(self, part: Range) -> bytes:
        start, stop = part
        # The definition only ever splits at an index that every complete node below divides.
        nodes = ((level, index + (start >> level)) for level, index in frontier(stop - start))
        return _joined([self.nodes.get(level, index) for level, index in nodes])


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf`, a leaf hash, is entry `index` of the tree with this size and root.

    Raises LedgerError: `tree_size_wrong`, `tree_index_wrong` for numbers that no tree has,
    `proof_malformed` for a proof of the wrong shape, `proof_wrong` when it does not lead to `root`.
    """
    known = _paired(_inclusion_ranges(index, size), proof)
    if _rebuilt({**known, (index, index + 1): leaf}, 0, size) != root:
        raise LedgerError(
            "proof_wrong",
            f"The proof does not lead from entry {index} to the root of the tree of {size}. "
            "The entry, its number, the proof or the root is not the one that was sealed.",
        )


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the first `old_size` entries of the newer tree are those of the older one.

    Every tree continues the empty one. Raises LedgerError: `tree_size_wrong` for sizes out of order,
    `proof_malformed` for a proof of the wrong shape, `proof_wrong` when a root does not follow.
    """
    known = _paired(_consistency_ranges(old_size, new_size), proof)
    if all(stop != old_size for _, stop in known):
        # The old tree is a complete node of the new one, or all of it: the verifier holds its hash already.
        known[0, old_size] = old_root
    if old_size == 0 < new_size:
        agrees = old_root == EMPTY_ROOT
    else:
        agrees = _rebuilt(known, 0, old_size) == old_root and _rebuilt(known, 0, new_size) == new_root
        agrees = agrees and (new_size > 0 or new_root == EMPTY_ROOT)
    if not agrees:
        raise LedgerError(
            "proof_wrong",
            f"The tree of {new_size} does not continue the tree of {old_size}: "
            "entries below that size were changed, or one of the two roots is from another ledger.",
        )


def _inclusion_ranges(index: int, size: int) -> list[Range]:
    _check_size(size)
    if size == 0:
        raise LedgerError("tree_index_wrong", "The tree is empty: it has no entry to prove.")
    if not 0 <= index < size:
        raise LedgerError(
            "tree_index_wrong", f"The tree has {size} entries, numbered 0 to {size - 1}; this one is outside."
        )
    start, stop = 0, size
    siblings: list[Range] = []
    while stop - start > 1:
        middle = _middle(start, stop)
        if index < middle:
            siblings.append((middle, stop))
            stop = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def _consistency_ranges(old: int, new: int) -> list[Range]:
    _check_size(old)
    _check_size(new)
    if old > new:
        raise LedgerError(
            "tree_size_wrong", f"A tree of {new} can't continue a larger one of {old}: entries were cut off."
        )
    if old in (0, new):
        return []
    start, stop = 0, new
    ranges: list[Range] = []
    while stop != old:
        middle = _middle(start, stop)
        if old <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start > 0:
        ranges.append((start, old))
    return ranges[::-1]


def _paired(ranges: Sequence[Range], proof: Sequence[bytes]) -> dict[Range, bytes]:
    if len(ranges) != len(proof):
        raise LedgerError(
            "proof_malformed",
            f"The proof has {len(proof)} hashes, but these sizes need {len(ranges)}. "
            "Get a proof for exactly these sizes.",
        )
    for position, digest in enumerate(proof):
        # Lengths matter: 31 + 33 bytes would hash like 32 + 32.
        if len(digest) != HASH_BYTES:
            raise LedgerError(
                "proof_malformed",
                f"Hash {position} of the proof has {len(digest)} bytes instead of {HASH_BYTES}.",
            )
    return dict(zip(ranges, proof, strict=True))


def _rebuilt(known: Mapping[Range, bytes], start: int, stop: int) -> bytes:
    digest = known.get((start, stop))
    if digest is not None:
        return digest
    middle = _middle(start, stop)
    return node_hash(_rebuilt(known, start, middle), _rebuilt(known, middle, stop))


def _middle(start: int, stop: int) -> int:
    """Where section 2.1 splits a range of two or more: after the largest power of two below its length."""
    return start + (1 << (stop - start - 1).bit_length() - 1)


def _append(edge: Sequence[Node], size: int, leaf: bytes) -> list[Node]:
    _check_size(size + 1)
    node = Node(0, size, leaf)
    completed = [node]
    for left in reversed(edge):
        if left.level != node.level:
            break
        node = Node(node.level + 1, left.index >> 1, node_hash(left.hash, node.hash))
        completed.append(node)
    return completed


def _grow(edge: list[Node], size: int, leaf: bytes) -> list[Node]:
    completed = _append(edge, size, leaf)
    # Each new node but the last is the right half of the next, whose left half leaves the edge.
    del edge[len(edge) - (len(completed) - 1) :]
    edge.append(completed[-1])
    return completed


def _joined(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    digest = hashes[-1]
    for left in reversed(hashes[:-1]):
        digest = node_hash(left, digest)
    return digest


def _size(edge: Sequence[Node]) -> int:
    size = sum(1 << node.level for node in edge)
    if tuple((node.level, node.index) for node in edge) != frontier(size):
        raise LedgerError(
            "tree_frontier_wrong",
            f"These {len(edge)} nodes are not the right edge of one tree. "
            "Read those that `frontier(size)` names, in its order.",
        )
    return size


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        # Python refuses to print integers of thousands of digits, and a foreign proof may bring one.
        raise LedgerError("tree_size_wrong", f"A tree has 0 to {MAX_SIZE} entries; this size is outside.")

"""The tree against RFC 6962: its definition, the reference implementation's vectors, and damage."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask.ledger.errors import LedgerError
from assigntask.ledger.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    MemoryNodes,
    Node,
    Tree,
    append,
    edge_root,
    extend,
    frontier,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves of Certificate Transparency's own tests, and what they hash to.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (3, 7): [
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e",
    ],
}

SIZES = st.integers(min_value=1, max_value=300)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def some_leaves(count: int, salt: int = 0) -> list[bytes]:
    return [f"{salt}/{number}".encode() for number in range(count)]


def flipped(digest: bytes, bit: int) -> bytes:
    return (int.from_bytes(digest) ^ (1 << bit)).to_bytes(len(digest))


def code_of(error: pytest.ExceptionInfo[LedgerError]) -> str:
    return error.value.code


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference_leaves(size: int) -> None:
    assert root(HASHES[:size]).hex() == ROOTS[size]
    assert Tree.of(HASHES).root(size).hex() == ROOTS[size]
    assert Tree.of(HASHES[:size]).root().hex() == ROOTS[size]


def test_reference_inclusion_proofs() -> None:
    tree = Tree.of(HASHES)
    for (index, size), hashes in INCLUSION.items():
        proof = [bytes.fromhex(digest) for digest in hashes]
        assert tree.inclusion_proof(index, size) == proof
        verify_inclusion(leaf=HASHES[index], index=index, size=size, proof=proof, root=bytes.fromhex(ROOTS[size]))


def test_reference_consistency_proofs() -> None:
    tree = Tree.of(HASHES)
    for (old, new), hashes in CONSISTENCY.items():
        proof = [bytes.fromhex(digest) for digest in hashes]
        assert tree.consistency_proof(old, new) == proof
        verify_consistency(
            old_size=old,
            old_root=bytes.fromhex(ROOTS[old]),
            new_size=new,
            new_root=bytes.fromhex(ROOTS[new]),
            proof=proof,
        )


@given(SIZES, st.integers())
@settings(deadline=None, max_examples=60)
def test_growing_one_leaf_at_a_time_gives_the_root_of_the_definition(size: int, salt: int) -> None:
    leaves = some_leaves(size, salt)
    stored = MemoryNodes()
    for number, leaf in enumerate(leaves):
        edge = Tree(stored, number).edge()
        stored.add(append(edge, leaf_hash(leaf)))
    tree = Tree(stored, size)
    assert tree.root() == by_definition(leaves)
    assert edge_root(tree.edge()) == by_definition(leaves)


@given(SIZES, st.data())
@settings(deadline=None, max_examples=60)
def test_appending_in_batches_stores_the_same_nodes_as_one_by_one(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(leaf) for leaf in some_leaves(size)]
    cut = data.draw(st.integers(0, size))
    first, edge = extend((), hashes[:cut])
    second, edge = extend(edge, hashes[cut:])
    assert [(node.level, node.index) for node in edge] == list(frontier(size))
    assert edge_root(edge) == by_definition(some_leaves(size))
    one_by_one: list[Node] = []
    for number, digest in enumerate(hashes):
        one_by_one += append(Tree(MemoryNodes(one_by_one), number).edge(), digest)
    assert first + second == one_by_one


@given(SIZES)
@settings(deadline=None)
def test_only_complete_nodes_are_stored_each_once(size: int) -> None:
    leaves = some_leaves(size)
    nodes, _ = extend((), [leaf_hash(leaf) for leaf in leaves])
    assert len({(node.level, node.index) for node in nodes}) == len(nodes)
    assert len(nodes) == sum(size >> level for level in range(size.bit_length()))
    for node in nodes:
        covered = leaves[node.index << node.level : (node.index + 1) << node.level]
        assert len(covered) == 2**node.level
        assert node.hash == by_definition(covered)


@given(SIZES, st.data())
@settings(deadline=None)
def test_every_leaf_is_proven_at_every_size_and_damage_is_found(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    tree = Tree.of(hashes)
    at = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at - 1))
    proof = tree.inclusion_proof(index, at)
    top = by_definition(leaves[:at])
    verify_inclusion(leaf=hashes[index], index=index, size=at, proof=proof, root=top)

    where = data.draw(st.integers(0, len(proof) + 1))
    parts = [hashes[index], top, *proof]
    parts[where] = flipped(parts[where], data.draw(st.integers(0, 255)))
    with pytest.raises(LedgerError) as error:
        verify_inclusion(leaf=parts[0], index=index, size=at, proof=parts[2:], root=parts[1])
    assert code_of(error) == "proof_wrong"


@given(SIZES, st.data())
@settings(deadline=None)
def test_a_proof_holds_for_no_other_index_or_leaf(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(leaf) for leaf in some_leaves(size + 1)]
    tree = Tree.of(hashes)
    index = data.draw(st.integers(0, size))
    other = data.draw(st.integers(0, size).filter(lambda number: number != index))
    proof = tree.inclusion_proof(index)
    for leaf, claimed in ((hashes[index], other), (hashes[other], index)):
        with pytest.raises(LedgerError) as error:
            verify_inclusion(leaf=leaf, index=claimed, size=tree.size, proof=proof, root=tree.root())
        assert code_of(error) in {"proof_wrong", "proof_malformed"}


@given(SIZES, st.data())
@settings(deadline=None)
def test_every_size_is_consistent_with_every_later_one_and_damage_is_found(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    tree = Tree.of(leaf_hash(leaf) for leaf in leaves)
    new = data.draw(st.integers(1, size))
    old = data.draw(st.integers(1, new))
    proof = tree.consistency_proof(old, new)
    parts = [by_definition(leaves[:old]), by_definition(leaves[:new]), *proof]
    verify_consistency(old_size=old, old_root=parts[0], new_size=new, new_root=parts[1], proof=proof)

    where = data.draw(st.integers(0, len(parts) - 1))
    parts[where] = flipped(parts[where], data.draw(st.integers(0, 255)))
    with pytest.raises(LedgerError) as error:
        verify_consistency(old_size=old, old_root=parts[0], new_size=new, new_root=parts[1], proof=parts[2:])
    assert code_of(error) == "proof_wrong"


@given(SIZES, st.data())
@settings(deadline=None)
def test_a_changed_entry_below_the_old_size_has_no_consistency(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    old = data.draw(st.integers(1, size))
    rewritten = list(leaves)
    rewritten[data.draw(st.integers(0, old - 1))] = b"rewritten"
    tree = Tree.of(leaf_hash(leaf) for leaf in rewritten)
    with pytest.raises(LedgerError) as error:
        verify_consistency(
            old_size=old,
            old_root=by_definition(leaves[:old]),
            new_size=size,
            new_root=tree.root(),
            proof=tree.consistency_proof(old),
        )
    assert code_of(error) == "proof_wrong"


def test_every_proof_of_every_size_up_to_seventy_verifies() -> None:
    leaves = some_leaves(70)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    tree = Tree.of(hashes)
    roots = [by_definition(leaves[:size]) for size in range(71)]
    for size in range(1, 71):
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            verify_inclusion(leaf=hashes[index], index=index, size=size, proof=proof, root=roots[size])
        for old in range(size + 1):
            proof = tree.consistency_proof(old, size)
            verify_consistency(old_size=old, old_root=roots[old], new_size=size, new_root=roots[size], proof=proof)


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_a_proof_of_another_length_is_refused(change: str) -> None:
    tree = Tree.of(HASHES)
    inclusion, consistency = tree.inclusion_proof(5), tree.consistency_proof(6)
    for proof in (inclusion, consistency):
        if change == "shorter":
            proof.pop()
        else:
            proof.append(HASHES[0])
    with pytest.raises(LedgerError) as error:
        verify_inclusion(leaf=HASHES[5], index=5, size=8, proof=inclusion, root=tree.root())
    assert code_of(error) == "proof_malformed"
    with pytest.raises(LedgerError) as error:
        verify_consistency(old_size=6, old_root=tree.root(6), new_size=8, new_root=tree.root(), proof=consistency)
    assert code_of(error) == "proof_malformed"


def test_a_byte_moved_from_one_hash_of_a_proof_to_the_next_is_refused() -> None:
    # Without a look at the lengths, 31 + 33 bytes would hash like 32 + 32.
    tree = Tree.of(HASHES)
    last, before, *others = tree.consistency_proof(6)
    proof = [last, *others, before]
    moved = [last + before[:1], before[1:], *others]
    for wrong in (proof, moved):
        with pytest.raises(LedgerError) as error:
            verify_consistency(old_size=6, old_root=tree.root(6), new_size=8, new_root=tree.root(), proof=wrong)
        assert code_of(error) == ("proof_wrong" if wrong is proof else "proof_malformed")


def test_the_empty_tree_is_continued_by_every_tree_and_by_nothing_else() -> None:
    tree = Tree.of(HASHES)
    assert Tree.of([]).root() == root([]) == edge_root(()) == EMPTY_ROOT
    assert tree.consistency_proof(0) == []
    for new_size, new_root in ((0, EMPTY_ROOT), (8, tree.root())):
        verify_consistency(old_size=0, old_root=EMPTY_ROOT, new_size=new_size, new_root=new_root, proof=[])
    for old_root, new_size, new_root in ((HASHES[0], 8, tree.root()), (HASHES[0], 0, HASHES[0])):
        with pytest.raises(LedgerError) as error:
            verify_consistency(old_size=0, old_root=old_root, new_size=new_size, new_root=new_root, proof=[])
        assert code_of(error) == "proof_wrong"


def test_two_trees_of_one_size_are_consistent_only_if_equal() -> None:
    verify_consistency(old_size=3, old_root=HASHES[0], new_size=3, new_root=HASHES[0], proof=[])
    with pytest.raises(LedgerError) as error:
        verify_consistency(old_size=3, old_root=HASHES[0], new_size=3, new_root=HASHES[1], proof=[])
    assert code_of(error) == "proof_wrong"


def test_a_cut_tail_is_named_as_such() -> None:
    tree = Tree.of(HASHES)
    with pytest.raises(LedgerError, match="cut off") as error:
        verify_consistency(old_size=8, old_root=tree.root(), new_size=7, new_root=tree.root(7), proof=[])
    assert code_of(error) == "tree_size_wrong"


@pytest.mark.parametrize(("index", "size"), [(8, 8), (-1, 8), (0, 0), pytest.param(10**5000, 8, id="huge")])
def test_an_entry_outside_the_tree_is_refused(index: int, size: int) -> None:
    tree = Tree.of(HASHES)
    with pytest.raises(LedgerError) as error:
        tree.inclusion_proof(index, size)
    assert code_of(error) == "tree_index_wrong"
    with pytest.raises(LedgerError) as error:
        verify_inclusion(leaf=HASHES[0], index=index, size=size, proof=[], root=tree.root())
    assert code_of(error) == "tree_index_wrong"


@pytest.mark.parametrize("size", [-1, 9, MAX_SIZE + 1, pytest.param(10**5000, id="huge")])
def test_a_size_that_the_tree_does_not_have_is_refused(size: int) -> None:
    tree = Tree.of(HASHES)
    for ask in (
        lambda: tree.root(size),
        lambda: tree.edge(size),
        lambda: tree.consistency_proof(1, size),
        lambda: tree.inclusion_proof(0, size),
    ):
        with pytest.raises(LedgerError) as error:
            ask()
        assert code_of(error) == "tree_size_wrong"


def test_a_node_missing_from_storage_is_named() -> None:
    nodes, _ = extend((), HASHES[:7])
    stored = MemoryNodes(node for node in nodes if (node.level, node.index) != (1, 2))
    with pytest.raises(LedgerError, match="Node 2 of level 1") as error:
        Tree(stored, 7).root()
    assert code_of(error) == "tree_node_missing"


def test_appending_to_nodes_that_are_no_right_edge_is_refused() -> None:
    edge = Tree.of(HASHES[:7]).edge()
    for wrong in (edge[::-1], edge[1:], (*edge, edge[-1])):
        with pytest.raises(LedgerError) as error:
            append(wrong, HASHES[7])
        assert code_of(error) == "tree_frontier_wrong"


def test_a_root_reads_only_the_nodes_of_the_frontier() -> None:
    class Counting(MemoryNodes):
        reads = 0

        def get(self, level: int, index: int) -> bytes:
            self.reads += 1
            return super().get(level, index)

    nodes, _ = extend((), [leaf_hash(leaf) for leaf in some_leaves(1000)])
    stored = Counting(nodes)
    Tree(stored, 1000).root()
    assert stored.reads == len(frontier(1000)) == 6
    Tree(stored, 1000).inclusion_proof(500)
    assert stored.reads < 6 + 2 * 10


def test_leaves_and_nodes_hash_in_different_domains() -> None:
    assert leaf_hash(HASHES[0] + HASHES[1]) != node_hash(HASHES[0], HASHES[1])

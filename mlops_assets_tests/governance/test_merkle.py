"""RFC 6962's trees: roots as others compute them, and proofs that convince of what is there and nothing else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.governance.merkle import proof, proves, root

# The reference records of Certificate Transparency's own tests, and the roots of the first n.
RECORDS = [
    bytes.fromhex(one)
    for one in (
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


@pytest.mark.parametrize("count", range(9))
def test_roots_are_those_of_certificate_transparency(count):
    assert root(RECORDS[:count]).hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_a_proof_convinces_of_its_record_at_its_place_only(records, data):
    index = data.draw(st.integers(0, len(records) - 1))
    path, expected = proof(records, index), root(records)
    assert proves(path, records[index], index, len(records), expected)
    assert not proves(path, records[index] + b"x", index, len(records), expected)
    assert not proves(path, records[index], index, len(records), hashlib.sha256(expected).digest())
    assert not proves([*path, expected], records[index], index, len(records), expected)
    if path:
        assert not proves(path[:-1], records[index], index, len(records), expected)
        changed = [*path[:-1], bytes(32)]
        assert not proves(changed, records[index], index, len(records), expected)


@given(st.lists(st.binary(max_size=8), min_size=2, max_size=40, unique=True), st.data())
def test_a_proof_of_one_record_does_not_prove_another_place(records, data):
    index = data.draw(st.integers(0, len(records) - 1))
    path, expected = proof(records, index), root(records)
    claimed = [
        at for at in range(-1, len(records) + 1) if proves(path, records[index], at, len(records), expected)
    ]
    assert claimed == [index]


def test_an_inner_node_is_no_record():
    left, right = (hashlib.sha256(b"\x00" + record).digest() for record in (b"a", b"b"))
    assert root([left + right]) != root([b"a", b"b"])


def test_there_is_no_proof_of_what_is_not_there():
    with pytest.raises(IndexError, match="found record 2, expected one of 2"):
        proof([b"a", b"b"], 2)

"""A refused declaration says where it stands."""

from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import Field

from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.located import LARGEST_FILE, read_documents
from mlops_assets.errors import DeclarationError


class Column(Declaration):
    type: str
    one_of: tuple[str, ...] = ()


class Thing(Declaration):
    name: str
    size: Annotated[int, Field(ge=1)] = 1
    columns: dict[str, Column] = {}
    rows: tuple[Column, ...] = ()
    kind: Literal["small", "large"] = "small"
    limits: dict[Literal["small", "large"], int] = {}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "thing.yaml"

    def write(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path):
    with pytest.raises(DeclarationError) as refused:
        [document.parse(Thing, document.value) for document in read_documents(path)]
    return str(refused.value).replace(str(path), "thing.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nsiz: 2\n", "thing.yaml:2: siz: unknown field 'siz'. Did you mean 'size'? Known: "),
        ("name: a\nsize: 0\n", "thing.yaml:2: size: Input should be greater than or equal to 1 (found 0)"),
        ("name: a\nsize:\n  many\n", "thing.yaml:2: size: Input should be a valid integer, unable to parse"),
        ("\n\nsize: 1\n", "thing.yaml:3: name: Field required"),
        (
            "name: a\ncolumns:\n  x:\n    kind: y\n    type: z\n",
            "thing.yaml:4: columns.x.kind: unknown field",
        ),
        ("name: a\ncolumns:\n  x:\n    one_of: []\n", "thing.yaml:4: columns.x.type: Field required"),
        ("name: a\nrows:\n- type: x\n- typ: y\n", "thing.yaml:4: rows.1.typ: unknown field 'typ'"),
        (
            "name: a\nrows: [{type: x},\n  {type: 1}]\n",
            "thing.yaml:3: rows.1.type: Input should be a valid string",
        ),
        ("name: a\ncolumns: nothing\n", "thing.yaml:2: columns: Input should be a valid dictionary"),
        (
            "name: '{{ env.X }}'\n",
            "thing.yaml:1: name: found '{{ env.X }}': a declaration holds no environment",
        ),
        (
            "name: a\nkind: smal\n",
            "thing.yaml:2: kind: Input should be 'small' or 'large'. Did you mean 'small'? (found 'smal')",
        ),
        ("name: a\nkind: 7\n", "thing.yaml:2: kind: Input should be 'small' or 'large' (found 7)"),
        (
            "name: a\nlimits:\n  large: 1\n  smal: 1\n",
            "thing.yaml:4: limits.smal: Input should be 'small' or 'large'. Did you mean 'small'?",
        ),
        ("- name: a\n", "thing.yaml:1: Input should be a valid dictionary"),
        ("name: a\n---\nsize: 2\n", "thing.yaml:3: name: Field required"),
    ],
)
def test_a_refusal_says_file_line_field_and_what_is_wrong(file, text, said):
    assert refusal(file(text)).startswith(said)


def test_every_finding_has_a_line_of_its_own(file):
    found = refusal(file("nme: a\nrows:\n- typ: y\n- type: x\n  one_of: 3\n"))
    assert [line.split(" ")[0] for line in found.splitlines()] == ["thing.yaml:1:"]
    found = refusal(file("name: a\nsize: 0\nrows:\n- typ: y\n- type: x\n  one_of: 3\n"))
    assert [line.split(" ")[0] for line in found.splitlines()] == [
        "thing.yaml:2:",
        "thing.yaml:4:",
        "thing.yaml:6:",
    ]


def test_a_long_offending_value_is_not_repeated(file):
    assert "yyyy" not in refusal(file(f"name: a\nsize: {'y' * 100}\n"))


# What YAML 1.1 makes of words is not what the writer meant; it must not pass as text.
@pytest.mark.parametrize("word", ["NO", "on", "yes", "1", "1.0", "2013-01-01", "null", "1:30"])
def test_a_word_that_yaml_takes_for_something_else_is_refused_as_text(file, word):
    path = file(f"name: a\ncolumns:\n  x:\n    type: t\n    one_of: [{word}]\n")
    assert refusal(path).startswith("thing.yaml:5: columns.x.one_of.0: Input should be a valid string")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("name: a\nname: b\n", "thing.yaml:2: not valid YAML: 'name' is given twice", id="key"),
        pytest.param(
            "name: a\ncolumns:\n  x: {type: y}\n  x: {type: z}\n",
            "thing.yaml:4: not valid YAML: 'x' is given twice",
            id="inner key",
        ),
        pytest.param("a: &x [1]\nb: *x\n", "thing.yaml:1: not valid YAML: anchors and aliases", id="anchor"),
        pytest.param("a: *x\n", "thing.yaml:1: not valid YAML: anchors and aliases", id="alias"),
        pytest.param(
            "a: 1\nb: !!python/object/apply:os.getcwd []\n",
            "thing.yaml:2: not valid YAML: could not",
            id="tag",
        ),
        pytest.param("a: [1\nb: 2\n", "thing.yaml:2: not valid YAML:", id="unclosed"),
        pytest.param("a: 1\n\tb: 2\n", "thing.yaml:2: not valid YAML:", id="tab"),
        pytest.param("? [a]\n: b\n", "thing.yaml:1: not valid YAML:", id="a list as a key"),
        pytest.param(b"a: \xff\n", "thing.yaml: not valid YAML:", id="not UTF-8"),
        pytest.param(b"a: \x01\n", "thing.yaml: not valid YAML:", id="control character"),
        pytest.param("a: 2013-02-30\n", "thing.yaml: not valid YAML:", id="no such day"),
        pytest.param("[" * 5000, "thing.yaml:1: not valid YAML: nested too deeply", id="deep"),
    ],
)
def test_yaml_that_says_less_or_more_than_it_seems_is_refused(file, text, said):
    assert refusal(file(text)).startswith(said)


def test_a_huge_file_is_refused_unread(file):
    assert "larger than 1,000,000 bytes" in refusal(file("#" * (LARGEST_FILE + 1)))
    assert list(read_documents(file("#" * LARGEST_FILE))) == []


def test_documents_come_in_order_with_their_own_lines(file):
    first, second = read_documents(file("name: a\n---\n# more\nname: b\nday: 2013-01-01\n"))
    assert first.value == {"name": "a"}
    assert second.value == {"name": "b", "day": date(2013, 1, 1)}
    assert (first.line(["name"]), second.line(["name"]), second.line(["day"])) == (1, 4, 5)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_declares_nothing(file, text):
    assert list(read_documents(file(text))) == []


def test_a_part_the_document_does_not_have_is_found_at_the_deepest_part_it_has(file):
    (document,) = read_documents(file("name: a\ncolumns:\n  x:\n    type: y\n"))
    assert document.line(["columns", "x", "nothing"]) == 4
    assert document.line(["nothing"]) == 1
    assert document.line(["name", "below", 3]) == 1

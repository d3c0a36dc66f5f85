"""The drawing of column lineage: every column once, every step a line, whatever the names hold."""

from xml.etree import ElementTree

from mlops_assets.lineage.derivation import CONSTANT, Derivation, SourceColumn
from mlops_assets.lineage.picture import svg

SVG = "{http://www.w3.org/2000/svg}"
RAW, ODD = SourceColumn("raw/t", "a"), SourceColumn("raw/t", '<b> & "é"')
KNOWN = {
    "m/model": {
        "x": Derivation.of(SourceColumn("m/set", "x")),
        "y": Derivation.of(SourceColumn("m/set", "y")),
        "one": CONSTANT,
    },
    "m/set": {"x": Derivation.of(SourceColumn("features/v", "x")), "y": Derivation.of(RAW)},
    "features/v": {"x": Derivation.of(RAW, ODD)},
}


def drawn(known, table):
    root = ElementTree.fromstring(svg(known, table))
    return [text.text for text in root.iter(f"{SVG}text")], list(root.iter(f"{SVG}path")), root


def test_every_column_stands_once_below_its_table_and_every_step_is_a_line():
    texts, lines, _ = drawn(KNOWN, "m/model")
    assert sorted(texts) == sorted(
        ["m/model", "x", "y", "one", "m/set", "x", "y", "features/v", "x", "raw/t", "a", '<b> & "é"']
    )
    assert len(lines) == 6


def test_a_column_stands_to_the_left_of_all_that_is_made_of_it():
    *_, root = drawn(KNOWN, "m/model")
    left = {text.text: float(text.get("x")) for text in root.iter(f"{SVG}text")}
    assert left["raw/t"] < left["features/v"] < left["m/set"] < left["m/model"]


def test_a_table_of_constants_is_drawn_too():
    texts, lines, _ = drawn({"t": {"a": CONSTANT}}, "t")
    assert texts == ["t", "a"]
    assert not lines


def test_a_drawing_is_the_same_in_every_process():
    assert svg(KNOWN, "m/model") == svg({table: dict(of) for table, of in KNOWN.items()}, "m/model")

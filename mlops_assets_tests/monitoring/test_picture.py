"""Pictures and pages of findings: what is drawn is what was counted, and nothing breaks them."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from mlops_assets.monitoring.article import article
from mlops_assets.monitoring.calibrated import calibrated
from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.findings import Finding, report
from mlops_assets.monitoring.page import page, pictures, table
from mlops_assets.monitoring.picture import BATCH, CHARACTER, HEIGHT, REFERENCE, overlaid
from mlops_assets_tests.monitoring.counted import cells_of, number_profiles, profile

WORD = Watched('<word> & "more"', "category")


def words(reference, batch):
    sides = [np.array(side, dtype=object) for side in (reference, batch)]
    cells = cells_of({WORD: sides[0]})
    return [profile({WORD: side}, cells) for side in sides]


def bars(svg: str, colour: str) -> list[float]:
    root = ElementTree.fromstring(svg)
    return [
        float(one.get("height"))
        for one in root.iter("{http://www.w3.org/2000/svg}rect")
        if one.get("fill") == colour
    ]


@pytest.mark.parametrize(
    ("reference", "batch"),
    [
        (np.arange(1000.0), np.arange(1000.0) + 500),
        (np.ones(100), np.ones(100)),
        (np.ones(100), np.full(100, 7.0)),
        (np.arange(100.0), np.full(100, np.nan)),
        (np.full(100, np.nan), np.arange(100.0)),
        (np.array([1.0]), np.array([])),
        (np.array([1e300, -1e300, 0.0]), np.array([np.inf, 1.0])),
    ],
)
def test_any_numbers_have_a_picture(reference, batch):
    before, after = number_profiles(reference, batch)
    svg = overlaid(before.columns["x"], after.columns["x"])
    heights = bars(svg, BATCH) + bars(svg, REFERENCE)
    assert all(0 <= height <= HEIGHT for height in heights)
    assert len(svg) < 8_000


def test_what_lies_beyond_the_picture_is_in_its_outermost_bar():
    before, after = number_profiles(np.arange(1000.0), np.full(1000, 5000.0))
    drawn = bars(overlaid(before.columns["x"], after.columns["x"]), BATCH)
    assert drawn[-1] == max(drawn) > 90
    assert drawn[:-1] == [0.0] * (len(drawn) - 1)


def test_categories_are_drawn_by_name_and_names_cannot_break_out():
    before, after = words(["<b>", "a", "a"], ["é", "a", None])
    svg = overlaid(before.columns[WORD.name], after.columns[WORD.name])
    assert "&lt;b&gt;" in svg
    assert "others" in svg
    ElementTree.fromstring(svg)


def test_the_names_of_many_categories_do_not_overlap():
    named = [f"W{number:02d}WWWWWWWW" for number in range(11)]
    before, after = words(named * 10, named * 10)
    root = ElementTree.fromstring(overlaid(before.columns[WORD.name], after.columns[WORD.name]))
    ticks = [
        one for one in root.iter("{http://www.w3.org/2000/svg}text") if one.get("text-anchor") == "middle"
    ]
    assert len(ticks) == 12
    apart = min(float(b.get("x")) - float(a.get("x")) for a, b in pairwise(ticks))
    assert all(len(one.text) * CHARACTER <= apart + 1 for one in ticks)


NASTY = [
    "\0",
    "\x1b[31m",
    "a\nb",
    "\ufffe",
    "\u202egpj",
    "\u2066",
    "\u200f",
    "x" * 5000,
    "]]>",
    "|",
    "<script>",
]


def test_categories_of_any_characters_and_length_leave_pictures_and_pages_whole():
    before, after = words([*NASTY, "a"] * 100, ["\ud800", "a"] * 450)
    svg = overlaid(before.columns[WORD.name], after.columns[WORD.name])
    ElementTree.fromstring(svg)
    assert len(svg) < 8_000
    found = calibrated(before, after)
    text = page("\ud800\0", found, before, after, {"window": "\x07"})
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", text
    )
    text.encode()


def test_names_of_any_characters_leave_the_table_a_table():
    named = "a|b\\|c\nd]e" + "f" * 5000
    _, _, row = table(report("own", 1, [Finding(named, "t", "drift", "warn", "m", 0.1, "s")])).splitlines()
    assert row.startswith(r"| a\|b\\\|c d\]efff")
    assert len(row) < 150


def test_a_page_tells_every_finding_and_escapes_what_it_tells():
    before, after = words(["a", "b"] * 500, ["b"] * 1000)
    found = calibrated(before, after)
    text = page("<title>", found, before, after, {"window": "<today>"})
    assert "<today>" not in text
    assert "&lt;today&gt;" in text
    assert "<word>" not in text
    assert text.count('<td class="words">') == 3 * len(found.findings) + 1
    assert text.count('<td class="number">') == 6 * len(found.findings)
    assert text.count("<tr>") == len(found.findings) + 2
    assert not re.search(r"(src|href)=", text)


def test_the_table_shows_the_worst_first():
    before, after = number_profiles(np.arange(5000.0), np.arange(5000.0) + 2500)
    found = calibrated(before, after)
    header, _, worst, *_ = table(found).splitlines()
    assert header.startswith("| column | test | verdict | effect | p | JS distance (base 2) | PSI |")
    assert worst.startswith("| x | distribution | error |")
    assert pictures(found, before, after).startswith("![x](data:image/svg+xml;base64,")


def wasserstein_cell(found, name: str = "x") -> str:
    header, _, *rows = [line.split(" | ") for line in table(found).splitlines()]
    (row,) = [row for row in rows if row[0] == f"| {name}" and row[1] == "distribution"]
    return row[header.index("Wasserstein (sd)")]


@pytest.mark.parametrize("policy", [calibrated, article])
@pytest.mark.parametrize(
    ("batch", "clipped"),
    [
        (np.arange(1000.0), False),
        (np.full(1000, 999.0), False),
        (np.append(np.arange(999.0), 999.5), True),
        (np.append(np.arange(999.0), -0.5), True),
        (np.arange(1000.0) + 5000, True),
    ],
)
def test_a_distance_that_the_range_of_the_reference_clips_says_so(policy, batch, clipped):
    before, after = number_profiles(np.arange(1000.0), batch)
    found = policy(before, after)
    told, (finding,) = wasserstein_cell(found), [one for one in found.findings if one.test == "distribution"]
    assert told == f"{'at least ' if clipped else ''}{finding.values['wasserstein_in_sd']:.3f}"
    assert (finding.values["share_beyond_range"] > 0) is clipped
    whole = page("title", found, before, after, {})
    assert (f">at least {finding.values['wasserstein_in_sd']:.3f}<" in whole) is clipped


def test_a_distance_that_is_clipped_is_a_lower_bound():
    reference, batch = np.arange(1000.0), np.arange(1000.0) + 5000
    before, after = number_profiles(reference, batch)
    (finding,) = [one for one in calibrated(before, after).findings if one.test == "distribution"]
    assert 1 < finding.values["wasserstein_in_sd"] < wasserstein_distance(reference, batch) / reference.std()

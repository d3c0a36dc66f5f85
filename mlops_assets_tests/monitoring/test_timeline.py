"""The timeline is a picture that any reader of XML takes, whatever people wrote."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.timeline import LEFT, WIDTH, Mark, Stretch, timeline

SVG = "{http://www.w3.org/2000/svg}"
DAYS = st.dates().map(lambda day: day.isoformat())
COLOURS = st.sampled_from(["grey", "amber", "red", "green", "blue"])


def drawn(marks=(), stretches=(), rows=("looked", "trained")):
    return ElementTree.fromstring(timeline("the loop", rows, marks, "reigns", stretches))


def circles(picture):
    return [(float(one.get("cx")), float(one.get("cy"))) for one in picture.iter(f"{SVG}circle")]


def bars(picture):
    found = [one for one in picture.iter(f"{SVG}rect") if one.get("height") == "18"]
    return [(float(one.get("x")), float(one.get("width"))) for one in found]


def words(picture):
    return [one.text for one in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "hostile",
    [
        "</title><script>alert(1)</script>",
        "a & b < c > \"d\" 'e'",
        "]]>",
        "\x00\x0b\x1b[31m",
        "\ud800",
        "退货 🛒",
        "\u202e",
    ],
)
def test_whatever_people_write_it_is_xml_and_shown_as_text(hostile):
    text = timeline(
        hostile,
        [hostile, "other"],
        [Mark("2024-04-01", hostile, "red", hostile)],
        "reigns",
        [Stretch("2024-04-01", "2024-04-09", hostile)],
    )
    text.encode("utf-8")
    picture = ElementTree.fromstring(text)
    assert not list(picture.iter("script"))
    assert len(circles(picture)) == len(bars(picture)) == 1


@given(told=st.text(), label=st.text())
def test_any_text_at_all_is_xml(told, label):
    picture = drawn(
        [Mark("2024-04-01", "looked", "grey", told)], [Stretch("2024-04-01", "2024-04-02", label)]
    )
    assert len(circles(picture)) == 1


def test_one_day_only_stands_at_the_begin_and_its_axis_says_it_once():
    picture = drawn([Mark("2024-04-01", "looked", "grey", "once")])
    assert circles(picture) == [(LEFT, pytest.approx(49, abs=20))]
    assert words(picture).count("2024-04-01") == 1


def test_no_day_at_all_is_said():
    assert "nothing has happened yet" in words(drawn())


def test_later_days_stand_further_to_the_right_and_each_row_on_its_line():
    days = ["2024-04-09", "2024-04-01", "2024-04-05"]
    picture = drawn([Mark(day, row, "blue", day) for row in ("looked", "trained") for day in days])
    placed = circles(picture)
    for line in (placed[:3], placed[3:]):
        assert line[1][0] < line[2][0] < line[0][0]
        assert len({y for _, y in line}) == 1
    assert placed[0][1] < placed[3][1]
    assert placed[0][0] - placed[2][0] == pytest.approx(placed[2][0] - placed[1][0], abs=0.2)


def test_bars_follow_each_other_without_gap():
    picture = drawn(
        stretches=[
            Stretch("2024-04-01", "2024-04-05", "version 1"),
            Stretch("2024-04-05", "2024-04-09", "version 2"),
        ]
    )
    (first, wide), (second, _) = bars(picture)
    assert first + wide == pytest.approx(second, abs=0.2)


@given(
    marks=st.lists(
        st.builds(Mark, DAYS, st.sampled_from(["looked", "trained"]), COLOURS, st.text()), min_size=1
    ),
    stretch=st.tuples(DAYS, DAYS).map(lambda two: Stretch(*sorted(two), "version 1")),
)
def test_everything_stands_inside_the_picture(marks, stretch):
    picture = drawn(marks, [stretch])
    assert all(LEFT <= x <= WIDTH for x, _ in circles(picture))
    assert all(x >= LEFT and x + width <= WIDTH for x, width in bars(picture))
    ticks = [word for word in words(picture) if word[:1].isdigit()]
    assert ticks == sorted(set(ticks))


def test_a_row_that_is_none_is_refused():
    with pytest.raises(KeyError):
        drawn([Mark("2024-04-01", "unheard", "grey", "")])

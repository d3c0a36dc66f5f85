"""A replay in words and as a page."""

from mlops_assets.steps.replay_page import drawn, in_words, show, summary
from mlops_assets.stores.replays import ReplayedDay
from mlops_assets.stores.reports import Reports

BEGAN, PASSED = "version 2 started with 20% of the requests", "version 2 passed: <i>well</i>"
DAYS = [
    ReplayedDay("2013-03-01", {1: 900}, {}, (0.5, 1.25), 0.2, "", None, "nothing gives a reason", "", 1, 9.0),
    ReplayedDay(
        "2013-03-02",
        {1: 50, 2: 850},
        {503: 2},
        (0.5, 2.5),
        0.3,
        "error",
        0.01,
        "<b>old</b>",
        "promote",
        2,
        40.0,
    ),
    ReplayedDay("2013-03-03", {2: 10}, {}, None, None, "warn", -0.1, "", "", 2, 8.0, (BEGAN, PASSED)),
]


class Kept:
    def __init__(self, folder):
        self.reports = Reports(folder)


def test_each_day_is_a_line_and_all_of_them_a_summary():
    assert in_words(DAYS[0]) == "2013-03-01: 900 requests answered by version 1 (900), p95 1.2 ms; 9 s"
    assert in_words(DAYS[1]) == (
        "2013-03-02: 900 requests answered by version 1 (50), version 2 (850), 2 refused (2 with 503), p95 2.5 ms, "
        "drift (error), a challenger: promote, version 2 reigns; 40 s"
    )
    assert summary(DAYS) == [
        "3 days, 2013-03-01 to 2013-03-03, in 57 seconds",
        "1,810 requests were answered: 950 by version 1, 860 by version 2; refused: 2 with 503",
        "The 95% of a day's requests that were answered soonest took 2.5 ms at most",
        "Days at whose end drift was seen: 2",
        "Challengers that were trained: 1, as of the day after 2013-03-02, promote",
        f"On 2013-03-03 {BEGAN}",
        f"On 2013-03-03 {PASSED}",
        "Version 2 reigns",
    ]
    assert summary([]) == ["No day was replayed."]


def test_the_page_shows_what_happened_and_data_cannot_change_it(tmp_path):
    page = show(Kept(tmp_path), "flights", DAYS).read_text()
    assert "<b>old" not in page
    assert "<i>well" not in page
    assert "2013-03-02: promote; &lt;b&gt;old" in page
    picture = drawn("flights", DAYS)
    assert picture.count(">version 1</text>") == picture.count(">version 2</text>") == 1
    assert picture.count("<circle") == 6, (
        "two of drift, one of the loss that grew, a challenger, a canary, a refusal"
    )
    for words in ("Time for an answer", "What was answered", "Day by day", "860 by version 2"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "no network"


def test_a_replay_of_no_day_has_a_page_too(tmp_path):
    assert "No day was replayed" in show(Kept(tmp_path), "flights", []).read_text()

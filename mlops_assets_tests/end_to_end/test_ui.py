"""What a person sees and does in Dagster's UI, in a real browser. The pictures are kept in ``screenshots/``."""

import re
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, dagster_dev
from mlops_assets_tests.sandbox import REAL
from mlops_assets_tests.services import absent

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = REAL / "screenshots"
GROUPS = ("nycflights", "features", "flight_delay")
DAY = "2013-01-15"
# On a machine that may be busy; a run needs a process of its own.
SIGHT_MS, RUN_MS = 60_000, 240_000


class Visitor:
    """Somebody who looks at the UI and clicks."""

    def __init__(self, page, server):
        self.page = page
        self.server = server

    def opens(self, path):
        self.page.goto(f"{self.server.url}{path}")

    def keeps_a_picture(self, name):
        self.page.wait_for_load_state("networkidle")
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def sees(self, text, *, within_ms=SIGHT_MS):
        found = self.page.get_by_text(text, exact=not isinstance(text, re.Pattern)).first
        found.wait_for(timeout=within_ms)
        return found

    def loses_sight_of(self, text):
        self.page.get_by_text(text).first.wait_for(state="hidden", timeout=SIGHT_MS)

    def opens_the_dialog(self, asset, day):
        """Click Materialize on an asset's page and choose one partition."""
        self.opens(f"/assets/{asset}")
        self.page.get_by_role("button", name="Materialize").first.click()
        confirm = self.page.get_by_role("button", name="Confirm")
        partitions = self.page.get_by_placeholder(re.compile("^ex: "))
        confirm.or_(partitions).first.wait_for(timeout=SIGHT_MS)
        if confirm.is_visible():
            confirm.click()
        partitions.fill(day)
        partitions.press("Enter")
        self.sees("1 partition")

    def launches(self):
        """Click Launch, follow the run to its page, and wait there until it has ended; its status."""
        self.page.get_by_role("button", name="Launch 1 run").click()
        view = {"name": "View", "exact": True}
        self.page.get_by_role("link", **view).or_(self.page.get_by_role("button", **view)).last.click()
        self.page.wait_for_url("**/runs/*", wait_until="commit")
        ended = self.page.get_by_text(re.compile("^(Success|Failure)$")).first
        ended.wait_for(timeout=RUN_MS)
        return ended.inner_text()


@contextmanager
def chromium():
    if not CHROMIUM.exists():
        absent(f"no browser at {CHROMIUM}; install it with `apt-get install chromium`")
    with warnings.catch_warnings():
        # Playwright's own event loop is closed by its context manager only after its pipes.
        warnings.simplefilter("ignore", ResourceWarning)
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            yield browser
            browser.close()


@pytest.fixture(scope="module")
def deployed_by_hand(tmp_path_factory):
    """What is in the working tree, with an empty home."""
    return Deployed(REAL, tmp_path_factory.mktemp("ui"))


@pytest.fixture(scope="module")
def server(deployed_by_hand):
    with dagster_dev(deployed_by_hand) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visitor(server, browser):
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    outside = []
    page.on("request", lambda request: outside.append(request.url))
    yield Visitor(page, server)
    page.close()
    assert not [url for url in outside if not url.startswith((server.url, "data:", "blob:"))]


def test_the_graph_shows_data_features_and_the_model_as_groups(visitor):
    visitor.opens("/asset-groups")
    for group in GROUPS:
        visitor.sees(group)
    visitor.loses_sight_of(re.compile("fetching statuses"))
    visitor.keeps_a_picture("1_graph")

    visitor.opens("/locations/mlops_assets/asset-groups/nycflights")
    for kind in ("raw", "validated", "quarantine"):
        visitor.sees(kind)
    visitor.keeps_a_picture("2_group")


def test_one_partition_is_materialized_by_clicking_and_shows_its_metadata_and_checks(visitor):
    visitor.opens_the_dialog("raw/flights", DAY)
    assert visitor.launches() == "Success"

    visitor.opens_the_dialog("validated/flights", DAY)
    visitor.keeps_a_picture("3_dialog")
    assert visitor.launches() == "Success"
    visitor.keeps_a_picture("4_run")

    visitor.opens(f"/assets/validated/flights?view=partitions&partition={DAY}")
    for label in ("dagster/row_count", "fingerprint", "table_version", "quarantined_rows"):
        visitor.sees(label)
    visitor.keeps_a_picture("5_partition")

    visitor.opens("/assets/validated/flights?view=checks")
    for check in ("types", "completeness", "uniqueness", "validity", "quarantined_share"):
        visitor.sees(check)
    visitor.sees("quarantined_share").click()
    visitor.sees(DAY)
    visitor.sees(re.compile("0 of 894 rows set aside"))
    visitor.keeps_a_picture("6_checks")

    visitor.opens("/assets/validated/flights")
    visitor.sees("Registration of the assigned aircraft")
    visitor.keeps_a_picture("7_overview")


def test_a_click_out_of_order_is_refused_in_a_clear_sentence_and_leaves_nothing(visitor, deployed_by_hand):
    """Of the three days that a day of this view reads, only one was validated."""
    visitor.opens_the_dialog("features/airport_delays", DAY)
    assert visitor.launches() == "Failure"
    visitor.sees(
        re.compile("validated/flights has no partition 2013-01-13, 2013-01-14; materialize it first")
    )
    visitor.keeps_a_picture("8_refused")

    assert not deployed_by_hand.stores.records.contents("features/airport_delays")
    assert not (deployed_by_hand.home / "lake" / "features").exists()
    visitor.opens(f"/assets/features/airport_delays?view=partitions&partition={DAY}")
    visitor.sees(re.compile("failed, and did not materialize this asset"))
    visitor.keeps_a_picture("9_nothing_written")


def test_a_feature_view_shows_where_it_comes_from_and_what_it_means(visitor):
    visitor.opens("/assets/features/airport_delays?view=lineage&lineageScope=upstream&lineageDepth=5")
    for kind in ("raw", "validated"):
        visitor.sees(kind)
    visitor.keeps_a_picture("10_lineage")
    visitor.opens("/assets/features/airport_delays")
    visitor.sees("Share that arrived fifteen minutes late or more")
    visitor.keeps_a_picture("11_feature_view")


def test_the_story_of_a_model_can_be_read_in_its_group(visitor):
    visitor.opens("/locations/mlops_assets/asset-groups/flight_delay")
    for stage in ("training_set", "model", "evaluation_report", "release"):
        visitor.sees(stage)
    visitor.keeps_a_picture("12_story")

"""Where a model's inputs come from, and what a changed view leaves out of date, as a person sees it."""

import re
import shutil

import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, dagster_dev
from mlops_assets_tests.end_to_end.story import DAILY, FIRST_AS_OF, STORY
from mlops_assets_tests.end_to_end.test_ui import Visitor, chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DAY = "2024-03-28"
SNAPSHOTS = ("raw/customers", "validated/customers", "quarantine/customers", "features/customer_profile")
# Each asset with a partition that was made; None for those without partitions.
MADE = {**dict.fromkeys(SNAPSHOTS), **dict.fromkeys(DAILY, DAY), **dict.fromkeys(STORY, FIRST_AS_OF)}
STATUS = """query Status($key: AssetKeyInput!, $partition: String) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { staleStatus(partition: $partition) } } }"""


@pytest.fixture
def changed(released, tmp_path):
    """A view of the released shop says something else by now."""
    clone = tmp_path / "clone"
    shutil.copytree(released.clone, clone)
    view = clone / "feature_repo" / "views" / "customer_orders.yaml"
    view.write_text(view.read_text().replace("604800", "518400"))
    return Deployed(clone, released.copied_to(tmp_path / "home").home)


def stale(server) -> set[str]:
    """The assets that the UI marks."""
    return {asset for asset, partition in MADE.items() if status(server, asset, partition) == "STALE"}


def status(server, asset: str, partition: str | None) -> str:
    found = server.ask(STATUS, key={"path": asset.split("/")}, partition=partition)["assetNodeOrError"]
    return found["staleStatus"]


def shows(page, label: str) -> None:
    """Open what stands in the metadata under a label."""
    page.locator("tr", has_text=label).get_by_text("Show Markdown").click()


def test_the_inputs_of_a_model_lead_back_to_raw_columns_and_a_changed_view_marks_its_descendants(changed):
    with dagster_dev(changed) as server, chromium() as browser:
        assert stale(server) == {"features/customer_orders", *STORY}
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        visitor = Visitor(page, server)

        visitor.opens(f"/assets/returned/training_set?view=partitions&partition={FIRST_AS_OF}")
        visitor.sees(re.compile("^Unsynced"))
        shows(page, "column_lineage")
        page.get_by_role("link", name="features/customer_orders").first.wait_for()
        visitor.keeps_a_picture("18_column_lineage")

        visitor.opens(f"/assets/returned/model?view=partitions&partition={FIRST_AS_OF}")
        shows(page, "lineage_of_inputs")
        drawing = page.get_by_role("img", name="lineage of its inputs")
        drawing.wait_for()
        assert drawing.evaluate("image => image.complete && image.naturalWidth") > 500
        visitor.keeps_a_picture("19_lineage_of_inputs")

        visitor.opens(f"/assets/features/customer_orders?view=partitions&partition={DAY}")
        visitor.sees(re.compile("^Unsynced"))
        visitor.keeps_a_picture("20_out_of_date")
        page.close()

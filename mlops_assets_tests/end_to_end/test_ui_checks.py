"""What a person sees of a check that failed: on which day, why, and beside what else."""

import re

import pytest

from mlops_assets_tests.end_to_end.deployment import dagster_dev
from mlops_assets_tests.end_to_end.story import materialize
from mlops_assets_tests.end_to_end.test_ui import Visitor, chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BAD_DAY, NEXT_DAY, WATCHED = "2024-04-02", "2024-04-03", "2024-04-09"
ORDERS = ("raw/orders", "validated/orders", "quarantine/orders")


def spoil(deployed):
    """Three quarters of the amounts of one day lose their sense."""
    path = deployed.home / "landing" / "orders" / f"{BAD_DAY}.csv"
    header, *lines = path.read_text().splitlines()
    spoilt = [line.replace(line.split(",")[2], "-1", 1) if at % 4 else line for at, line in enumerate(lines)]
    path.write_text("\n".join([header, *spoilt]) + "\n")


@pytest.fixture(scope="module")
def spoilt(released, tmp_path_factory):
    deployed = released.copied_to(tmp_path_factory.mktemp("spoilt") / "home")
    spoil(deployed)
    watched = materialize(["returned/drift_report"], "--partition", WATCHED)
    code, printed = deployed.run(*watched)
    assert code == 0, printed
    code, printed = deployed.run(*materialize(ORDERS, "--partition-range", f"{BAD_DAY}...{NEXT_DAY}"))
    assert code != 0
    assert "quarantined_share" in printed
    return deployed


@pytest.fixture
def visitor(spoilt):
    with dagster_dev(spoilt) as server, chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        yield Visitor(page, server)
        page.close()


def test_a_blocking_check_fails_for_its_day_and_the_next_day_passes(visitor, spoilt):
    visitor.opens("/assets/validated/orders?view=checks&checkDetail=quarantined_share")
    visitor.sees(re.compile(r"0 of 40 rows set aside \(0.00%\), at most 20.00% may be"))
    visitor.sees(NEXT_DAY)
    visitor.page.get_by_text("Execution history").click()
    visitor.sees(BAD_DAY)
    visitor.sees("Failed")
    visitor.sees("Passed")
    visitor.keeps_a_picture("13_failed_check")
    visitor.page.get_by_text("Partitions").last.click()
    visitor.sees("Failed (1)")
    visitor.sees(re.compile(r"Passed \(39\)"))
    visitor.keeps_a_picture("14_failed_partition_of_a_check")

    visitor.opens(f"/assets/validated/orders?view=partitions&partition={BAD_DAY}")
    visitor.sees("quarantine_reasons")
    visitor.keeps_a_picture("15_failed_partition")

    code, printed = spoilt.run(*materialize(["features/customer_orders"], "--partition", BAD_DAY))
    assert code != 0
    assert f"validated/orders, partition {BAD_DAY}: quarantined_share: 30 of 40 rows set aside" in printed

    visitor.opens("/assets/returned/drift_report?view=checks&checkDetail=drift")
    visitor.sees(WATCHED)
    visitor.keeps_a_picture("16_drift_check")
    visitor.opens(f"/assets/returned/drift_report?view=partitions&partition={WATCHED}")
    visitor.sees("compared_with")
    visitor.keeps_a_picture("17_drift_report")

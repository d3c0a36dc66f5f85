"""Which verdicts forbid."""

import pytest

from mlops_assets.governance.verdicts import Verdict, refusals


@pytest.mark.parametrize(
    ("passed", "blocking", "refuses"),
    [(True, True, False), (True, False, False), (False, False, False), (False, True, True)],
)
def test_only_a_failed_blocking_verdict_refuses(passed, blocking, refuses):
    verdict = Verdict("types", passed, "three rows", blocking=blocking)
    assert refusals([verdict]) == ((verdict,) if refuses else ())

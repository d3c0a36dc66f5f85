"""A running service is asked thousands of times by its own description: what fits it, what does not, other methods.

Schemathesis makes them up, and holds each answer against the description: its status, its type and its schema.
"""

import json
import subprocess

import pytest

from mlops_assets_tests.end_to_end.deployment import BIN
from mlops_assets_tests.serving.processes import running
from mlops_assets_tests.serving.world import put_online, released, shelves_at, write_feature_repository

EXAMPLES = 2000
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("token", ["", "s3cret"], ids=["open", "token"])
def test_what_is_asked_by_the_description_is_answered_by_it(tmp_path, token):
    home, report = tmp_path / "home", tmp_path / "report.json"
    shelves = shelves_at(home)
    released(shelves, 1)
    put_online(shelves)
    features = write_feature_repository(tmp_path / "feature_repo")
    with running(home, features, **({"MLOPS_SERVE_TOKEN": token} if token else {})) as service:
        shown = ["--header", f"Authorization:Bearer {token}"] if token else []
        # With a token it is the token that is tried; what is asked is the same.
        many = EXAMPLES if not token else EXAMPLES // 10
        said = [
            *("--checks", ",".join(CHECKED), "--seed", "1", "--max-examples", f"{many}"),
            *("--generation-database", "none", "--warnings", "off", "--continue-on-failure"),
            *("--report", "json", "--report-json-path", f"{report}", *shown),
        ]
        ended = subprocess.run(
            [BIN / "schemathesis", "run", f"http://127.0.0.1:{service.port}/openapi.json", *said],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=1700,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert service.get("/health")[0] == 200
        assert "failed" not in service.log.read_text()
    told = json.loads(report.read_text())
    assert told["test_cases"]["generated"] > many
    assert told["operations"]["tested"] == told["operations"]["total"] >= 5

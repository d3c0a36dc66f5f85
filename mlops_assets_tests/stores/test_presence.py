"""Who answers is told while it lives, also when it is killed."""

import signal
import subprocess
import sys

from mlops_assets.stores.presence import is_answered, present

ANSWERS = """
import sys, time
from pathlib import Path
from mlops_assets.stores.presence import present
with present(Path(sys.argv[1]), "returned"):
    print("it answers", flush=True)
    time.sleep(600)
"""


def test_who_answers_is_told_while_it_does(tmp_path):
    assert not is_answered(tmp_path, "returned")
    with present(tmp_path, "returned"):
        with present(tmp_path, "returned"):
            assert is_answered(tmp_path, "returned")
        assert is_answered(tmp_path, "returned")
        assert not is_answered(tmp_path, "late")
    assert not is_answered(tmp_path, "returned")


def test_of_a_killed_service_nothing_is_told_and_the_next_one_removes_what_it_left(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWERS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "it answers\n"
        assert is_answered(tmp_path, "returned")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_answered(tmp_path, "returned")
    folder = tmp_path / "services" / "returned"
    (left,) = folder.iterdir()
    with present(tmp_path, "returned"):
        assert not left.exists()
        assert is_answered(tmp_path, "returned")
    assert list(folder.iterdir()) == []

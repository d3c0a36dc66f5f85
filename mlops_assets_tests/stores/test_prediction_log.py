"""What was acknowledged is there: after a kill, on a full disk, over rotation; and damage is told."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_assets.errors import LogDamaged, LogUnwritable
from mlops_assets.stores.prediction_log import CLOSED, OPEN, PredictionLog, read_log, segments
from mlops_assets_tests.end_to_end.deployment import until

WRITER = [sys.executable, "-m", "mlops_assets_tests.stores.prediction_writer"]


def read(folder, **options):
    return list(read_log(segments(folder, **options)))


def record(number):
    return {"id": f"request-{number}", "value": number / 7, "text": "line\nbreak, é and \ud800"}


def written(folder, count, **options):
    log = PredictionLog(folder, **options)
    for number in range(count):
        log.append(record(number))
    return log


def test_what_is_appended_is_read_in_order_while_it_is_written_and_afterwards(tmp_path):
    log = written(tmp_path, 5)
    assert read(tmp_path) == [record(number) for number in range(5)]
    assert segments(tmp_path, finished=True) == []
    log.close()
    assert read(tmp_path, finished=True) == [record(number) for number in range(5)]
    assert [path.suffix for path in tmp_path.iterdir()] == [CLOSED]


def test_segments_are_closed_by_size_and_by_age_and_go_on_where_the_last_ended(tmp_path):
    log = written(tmp_path, 30, max_bytes=300)
    log.close()
    assert len(segments(tmp_path)) > 5
    assert read(tmp_path) == [record(number) for number in range(30)]
    log = written(tmp_path / "aged", 1, max_seconds=0.05, sync_seconds=0.01)
    deadline = time.monotonic() + 10
    while not segments(tmp_path / "aged", finished=True) and time.monotonic() < deadline:
        time.sleep(0.01)
    log.append(record(1))
    log.close()
    assert read(tmp_path / "aged", finished=True) == [record(0), record(1)]


def test_a_request_that_was_answered_twice_counts_once(tmp_path):
    log = written(tmp_path, 2)
    log.append({**record(1), "value": 9.0})
    log.close()
    assert read(tmp_path) == [record(0), record(1)]


@pytest.mark.parametrize("attempt", range(3))
def test_a_writer_that_is_killed_has_lost_nothing_that_it_acknowledged(tmp_path, attempt):
    with subprocess.Popen([*WRITER, "for_ever", str(tmp_path)], stdout=subprocess.PIPE) as process:
        first = process.stdout.readline()
        time.sleep(0.2 + 0.1 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = [int(line) for line in (first + process.stdout.read()).split(b"\n")[:-1]]
    found = [one["id"] for one in read(tmp_path, finished=True)]
    assert len(acknowledged) > 100
    assert found[: len(acknowledged)] == [f"request-{number}" for number in acknowledged]
    assert len(found) - len(acknowledged) <= 1


def test_what_does_not_fit_is_refused_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run(
        [*WRITER, "until_full", str(tmp_path)], capture_output=True, check=True, text=True, timeout=60
    )
    *refused, failures = done.stdout.splitlines()
    numbers = [int(line.split()[0]) for line in refused]
    assert "could not be written" in refused[0]
    assert int(failures) == len(numbers) > 1
    kept = [f"request-{number}" for number in range(1, 40) if number not in numbers]
    assert [one["id"] for one in read(tmp_path)] == kept


@pytest.mark.parametrize("failing", ["write", "rename", "flock"])
def test_a_disk_that_is_full_for_a_moment_costs_no_record_that_was_acknowledged(
    tmp_path, monkeypatch, failing
):
    log = PredictionLog(tmp_path, sync_seconds=0.01)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    for number in range(3):
        with monkeypatch.context() as patched:
            patched.setattr({"write": os, "rename": Path, "flock": fcntl}[failing], failing, full)
            with pytest.raises(LogUnwritable, match="No space left"):
                log.append(record(number))
        log.append(record(number))
        # Closed, and so begun anew each time, by a thread that goes on.
        log._retire()
        until(lambda: not list(tmp_path.glob(f"*{OPEN}")), seconds=20, what="it is closed", every=0.01)
    assert log.failures == 3
    log.close()
    assert read(tmp_path) == [record(number) for number in range(3)]
    assert [path.suffix for path in tmp_path.iterdir()] == [CLOSED] * 3


def test_only_a_torn_last_line_is_passed_over(tmp_path):
    written(tmp_path, 3).close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_bytes(whole[:-cut])
        assert len(read(tmp_path)) == 2
    first, second, third = whole.splitlines(keepends=True)
    path.write_bytes(first + third)
    with pytest.raises(LogDamaged, match="found record 3, expected 2: lines are missing"):
        read(tmp_path)
    for at in range(len(first), len(first) + len(second) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(LogDamaged):
            read(tmp_path)


def test_a_segment_that_is_missing_between_two_is_told(tmp_path):
    written(tmp_path, 30, max_bytes=300).close()
    segments(tmp_path)[2].path.unlink()
    with pytest.raises(LogDamaged, match="a segment or the end of one is missing"):
        read(tmp_path)


def test_waiting_for_the_disk_ends_and_a_disk_that_fails_is_told(tmp_path, monkeypatch):
    log = PredictionLog(tmp_path, sync_seconds=600)
    log.sync_up_to(log.append(record(0)))

    def broken(descriptor):
        raise OSError(5, "Input/output error")

    second = log.append(record(1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        with pytest.raises(LogUnwritable, match="Input/output error"):
            log.sync_up_to(second)
    assert log.failures == 1
    log.sync_up_to(log.append(record(2)))
    assert len(segments(tmp_path)) == 2
    log.close()
    assert read(tmp_path) == [record(0), record(1), record(2)]
    assert not list(tmp_path.glob(f"*{OPEN}"))


def test_whoever_meets_the_disks_error_first_all_who_wait_for_these_records_are_told(tmp_path, monkeypatch):
    log = PredictionLog(tmp_path, sync_seconds=600)
    numbers = [log.append(record(number)) for number in range(3)]
    sync, errors = os.fdatasync, [OSError(errno.EIO, "Input/output error")]

    def once(descriptor):
        if errors:
            raise errors.pop()
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", once)
    for number in numbers:
        with pytest.raises(LogUnwritable):
            log.sync_up_to(number)
    log.sync_up_to(log.append(record(3)))
    with pytest.raises(LogUnwritable):
        log.sync_up_to(numbers[0])
    assert log.failures == 1
    log.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LogUnwritable, match="cannot be made"):
        PredictionLog(tmp_path / "file" / "log")

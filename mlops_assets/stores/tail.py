"""A log of predictions read on and on: what was added since the last time, that of each writer in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path

from mlops_assets.errors import LogDamaged
from mlops_assets.stores.bus import Event
from mlops_assets.stores.prediction_log import CLOSED, Segment, segments


@dataclass(frozen=True)
class _Place:
    """Where reading goes on. number: of the next record. first: names its segment. position: in that, in bytes."""

    number: int
    first: int = 0
    position: int = 0


class Tail:
    """The end of a log. after: writer -> the number of the last record that was read before."""

    def __init__(self, folder: Path, after: Mapping[str, int]) -> None:
        self._folder = folder
        self._places = {run: _Place(last + 1) for run, last in after.items()}

    def events(self) -> Iterator[Event]:
        """What is there now and was not read before.

        Raises LogDamaged when a record was changed, or is missing between what was read and what is there.
        """
        for run, of_run in groupby(segments(self._folder), key=lambda one: one.run):
            found = list(of_run)
            self._places.setdefault(run, _Place(found[0].first))
            for segment, following in zip_longest(found, found[1:]):
                # What was read may be forgotten while others are read.
                if following is None or following.first > self._places[run].number:
                    yield from self._read(segment)

    def _read(self, segment: Segment) -> Iterator[Event]:
        place = self._places[segment.run]
        if segment.first > place.number:
            raise LogDamaged(
                f"{segment.path} begins with record {segment.first}, expected {place.number}: a segment or the end of "
                "one is missing"
            )
        try:
            if segment.first != place.first:
                before = segment.lines()[: place.number - segment.first]
                place = _Place(place.number, segment.first, sum(len(line) + 1 for line in before))
            lines = segment.lines(place.position)
        except FileNotFoundError as error:
            # Forgotten since it was listed, once all of it was read; or it held nothing, which no closed one does.
            if segment.path.suffix == CLOSED and place.number == segment.first:
                raise LogDamaged(f"{segment.path} is gone, and nothing of it was read") from error
            return
        for line in lines:
            event = Event(segment.run, place.number, segment.record(place.number, line))
            place = _Place(place.number + 1, segment.first, place.position + len(line) + 1)
            self._places[segment.run] = place
            yield event

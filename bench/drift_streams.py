"""Streams whose truth is known: 20 numeric and 5 category columns, window after window."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import signal

NUMBERS = [f"x{number:02d}" for number in range(20)]
CATEGORIES = [f"c{number}" for number in range(5)]
NAMES = np.array(["a", "b", "c", "d", "e", "f", "g", "h"])
SHARES = np.array([0.4, 0.2, 0.12, 0.1, 0.08, 0.05, 0.03, 0.02])
MISSING = 0.01


@dataclass(frozen=True)
class Stream:
    """phi: of the first-order autoregression of every column and of its outages. loading: of a factor
    that ``together`` numeric columns share. weekend: sds that two windows of seven lie higher.
    every: how many windows one goes on at a time; seven compares like weekdays, as a declared season does.
    days: of a window, each a block of its own. level: sd of the level that every column has on a day, an
    autoregression of level_phi. reference: windows of it. references: how many of them are drawn, since the
    luck of a short one rules what is said of all batches that follow it.
    """

    name: str
    phi: float = 0.0
    loading: float = 0.7
    together: int = 4
    weekend: float = 0.0
    every: int = 1
    days: int = 1
    level: float = 0.0
    level_phi: float = 0.0
    reference: int = 28
    references: int = 1


def four_weeks(name: str, level: float = 0.0, level_phi: float = 0.0) -> Stream:
    return Stream(name, days=7, level=level, level_phi=level_phi, reference=4, references=20)


STREAMS = (
    Stream("i.i.d."),
    Stream("AR(1) 0.5", phi=0.5),
    Stream("AR(1) 0.9", phi=0.9),
    Stream("AR(1) 0.98", phi=0.98),
    Stream("weekly season", weekend=0.3),
    Stream("weekly, like weekdays", weekend=0.3, every=7),
    Stream("correlated features", together=20),
    four_weeks("four weeks"),
    four_weeks("four weeks, level AR(1) 0.5", level=0.3, level_phi=0.5),
    four_weeks("four weeks, level AR(1) 0.7", level=0.3, level_phi=0.7),
    four_weeks("four weeks, level AR(1) 0.9", level=0.3, level_phi=0.9),
)


class Windows:
    """An endless stream, read one window of ``rows`` rows at a time."""

    def __init__(self, stream: Stream, rows: int, seed: int) -> None:
        self.stream, self.rows, self.number = stream, rows, 0
        self.random = np.random.default_rng(seed)
        # Per row: a value of every column, one of the factor, and one of every column's outage.
        self.width = 2 * (len(NUMBERS) + len(CATEGORIES)) + 1
        self.state = self.random.standard_normal((1, self.width)) * stream.phi
        self.levels = self.random.standard_normal(len(NUMBERS) + len(CATEGORIES)) if stream.level else 0.0

    def __iter__(self) -> Iterator["Window"]:
        while True:
            yield self.next()

    def next(self) -> "Window":
        noise = self.random.standard_normal((self.rows, self.width)) * np.sqrt(1 - self.stream.phi**2)
        if self.stream.phi:
            noise, self.state = signal.lfilter([1.0], [1.0, -self.stream.phi], noise, axis=0, zi=self.state)
        columns = len(NUMBERS) + len(CATEGORIES)
        latent, factor, outage = noise[:, :columns], noise[:, columns], noise[:, columns + 1 :]
        together = self.stream.together
        latent[:, 1:together] *= np.sqrt(1 - self.stream.loading**2)
        latent[:, 1:together] += self.stream.loading * factor[:, np.newaxis]
        latent += self.stream.weekend * (self.number % 7 >= 5)
        for rows in np.array_split(latent, self.stream.days):
            rows += self.stream.level * self.next_levels()
        self.number += self.stream.every
        random = np.random.default_rng([self.number, self.rows])
        return Window(latent, outage < THRESHOLD, random, self.number, self.stream.days)

    def next_levels(self) -> np.ndarray | float:
        """Of every column on one more day."""
        if self.stream.level:
            phi = self.stream.level_phi
            noise = self.random.standard_normal(len(self.levels))
            self.levels = phi * self.levels + np.sqrt(1 - phi**2) * noise
        return self.levels


# The normal quantile of MISSING, and those of the categories' shares.
THRESHOLD = -2.3263478740408408
CUTS = np.array([-0.2533471, 0.2533471, 0.5828415, 0.9153651, 1.2815516, 1.6448536, 2.0537489])


@dataclass(frozen=True)
class Window:
    """latent: normal values, shape (rows, columns). outage: where a value is missing."""

    latent: np.ndarray
    outage: np.ndarray
    random: np.random.Generator
    number: int
    days: int

    def blocks(self) -> pa.Array:
        """Of each row the name of its day; names sort in the order of time."""
        days = np.array_split(np.arange(len(self.latent)), self.days)
        names = [f"{self.number:06d}.{day}" for day in range(self.days)]
        return pa.array(np.repeat(names, [len(day) for day in days]))

    def column(self, name: str) -> pa.Array:
        at = (NUMBERS + CATEGORIES).index(name)
        return rendered(name, self.latent[:, at], self.outage[:, at])

    def table(self) -> pa.Table:
        return pa.table({name: self.column(name) for name in NUMBERS + CATEGORIES})

    def numbers(self) -> np.ndarray:
        return np.where(self.outage, np.nan, self.latent)[:, : len(NUMBERS)]

    def changed(self, change: str) -> tuple[str, pa.Array]:
        """The column that a named change touches, and its values then."""
        kind, _, amount = change.partition(" ")
        if kind == "shift":
            return "x00", rendered("x00", self.latent[:, 0] + float(amount), self.outage[:, 0])
        if kind == "missing":
            more = (float(amount) - MISSING) / (1 - MISSING)
            lost = self.outage[:, 0] | (self.random.random(len(self.latent)) < more)
            return "x00", rendered("x00", self.latent[:, 0], lost)
        at = len(NUMBERS)
        leaves = self.random.random(len(self.latent)) < float(amount) / (1 - SHARES[0])
        return "c0", rendered("c0", np.where(leaves, -9.0, self.latent[:, at]), self.outage[:, at])


def rendered(name: str, latent: np.ndarray, outage: np.ndarray) -> pa.Array:
    """What a data set would hold: skewed, rounded, and cut-off numbers among normal ones."""
    if name in CATEGORIES:
        codes = pa.array(np.searchsorted(CUTS, latent), mask=outage)
        return pa.DictionaryArray.from_arrays(codes, pa.array(NAMES.tolist()))
    shape = NUMBERS.index(name) % 4
    values = (latent, np.exp(latent), np.round(2 * latent), np.maximum(latent, 0))[shape]
    return pa.array(values, mask=outage)

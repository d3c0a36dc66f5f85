"""Places beside the database where the ledger's head is noted, one line after the other.

A line is written whole or not at all, follows the one before by its digest, and is never written over. A place that
whoever may change the database may not change is worth most.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from mlops_assets.errors import BadEnvironment

# Where anchors are unless somebody says otherwise, below the home; and what the ledger calls that place.
BELOW_HOME = Path("anchors") / "ledger.jsonl"
HOME = "home"
# The name of an object of a folder has so many.
DIGITS = 12


class AnchorPlace(Protocol):
    """Where anchors are kept. name: what the ledger calls it, the same on another machine."""

    @property
    def name(self) -> str: ...

    def lines(self) -> list[str]:
        """Every line, oldest first."""

    def add(self, line: str, after: str | None) -> bool:
        """Add a line; False, and nothing is written, when another than ``after`` is the last one by now."""


@dataclass(frozen=True)
class AnchorFile:
    """A file that is only added to, as one made so by the operating system (``chattr +a``) may be."""

    path: Path
    name: str

    def lines(self) -> list[str]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        # What a crash left of a line without its end was never noted.
        return text.split("\n")[:-1]

    def add(self, line: str, after: str | None) -> bool:
        # Imported here: the code location loads without it.
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            lines = self.lines()
            if (lines[-1] if lines else None) != after:
                return False
            with self.path.open("ab") as stream:
                self._drop_torn()
                stream.write(f"{line}\n".encode())
                stream.flush()
                os.fsync(stream.fileno())
        return True

    def _drop_torn(self) -> None:
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self.path, content.rfind(b"\n") + 1)


@dataclass(frozen=True)
class AnchorFolder:
    """A folder with an object for each anchor, never written twice: a bucket that is mounted, with a retention lock."""

    path: Path
    name: str

    def lines(self) -> list[str]:
        return [path.read_text(encoding="utf-8") for path in self._objects()]

    def add(self, line: str, after: str | None) -> bool:
        there = self._objects()
        # One of them may be gone, so how many there are says less than the last name.
        number = int(there[-1].stem) + 1 if there else 1
        if (there[-1].read_text(encoding="utf-8") if there else None) != after:
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f".partial-{uuid4().hex}"
        try:
            with partial.open("x", encoding="utf-8") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
            # Unlike a rename, a link does not replace what another process put there.
            os.link(partial, self.path / f"{number:0{DIGITS}d}.json")
        except FileExistsError:
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    def _objects(self) -> list[Path]:
        return sorted(self.path.glob("[0-9]" * DIGITS + ".json"))


@dataclass(frozen=True)
class AnchorBranch:
    """A branch of a git repository, bare or not, with a commit for each anchor; nothing else of it is touched."""

    path: Path
    name: str
    branch: str = "refs/heads/mlops-ledger"

    def lines(self) -> list[str]:
        if self._tip() is None:
            return []
        said = self._git("log", "--reverse", "--first-parent", "--format=%B%x00", self.branch)
        return [message.strip("\n") for message in said.split("\0")[:-1]]

    def add(self, line: str, after: str | None) -> bool:
        tip = self._tip()
        last = self._git("log", "-1", "--format=%B", tip).strip("\n") if tip else None
        if last != after:
            return False
        tree = self._git("hash-object", "-t", "tree", "-w", "--stdin")
        follows = ["-p", tip] if tip else []
        commit = self._git("commit-tree", tree, *follows, "-m", line)
        try:
            # Only if the branch still ends where it did.
            self._git("update-ref", self.branch, commit, tip or "0" * 40)
        except BadEnvironment:
            if self._tip() == tip:
                raise
            return False
        return True

    def _tip(self) -> str | None:
        refs = self._git("for-each-ref", "--format=%(objectname)", self.branch)
        return refs or None

    def _git(self, *arguments: str) -> str:
        who = ["-c", "user.name=mlops ledger", "-c", "user.email=ledger@localhost"]
        command = ["git", "-C", str(self.path), *who, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 (no shell)
                command, capture_output=True, text=True, input="", check=False, timeout=60
            )
        except FileNotFoundError as error:
            raise BadEnvironment(f"anchors in {self.name} need git, which is not installed") from error
        if done.returncode:
            raise BadEnvironment(
                f"{self.name} cannot keep anchors: {done.stderr.strip()}; expected a repository of git"
            )
        return done.stdout.strip("\n")


KINDS: Mapping[str, Callable[[Path, str], AnchorPlace]] = {
    "file": AnchorFile,
    "folder": AnchorFolder,
    "git": AnchorBranch,
}


def anchor_place(said: str) -> AnchorPlace:
    """The place of an address: ``file:PATH``, ``folder:PATH`` or ``git:REPOSITORY``, each absolute.

    Raises BadEnvironment for anything else.
    """
    kind, _, path = said.partition(":")
    if kind not in KINDS or not Path(path).is_absolute():
        raise BadEnvironment(
            f"the anchor is {said!r}, expected file:PATH, folder:PATH or git:REPOSITORY, with an absolute path"
        )
    return KINDS[kind](Path(path), said)


def anchor_places(said: tuple[str, ...], home: Path) -> tuple[AnchorPlace, ...]:
    """Those that are said; a file below the home when none is."""
    if not said:
        return (AnchorFile(home / BELOW_HOME, HOME),)
    return tuple(anchor_place(one) for one in said)

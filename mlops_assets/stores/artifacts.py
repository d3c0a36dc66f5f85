"""Model files under their own digest: written whole or not at all, read only if they are what was written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from mlops_assets.errors import ArtifactMismatch, NotMaterialized

# Lists every file with its SHA-256; the digest of this list is the artifact's digest.
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifacts:
    """Artifacts below one root folder, each a folder of files named by its digest."""

    root: Path

    def save(self, files: Mapping[str, bytes]) -> str:
        """Store the files and return their digest. Storing the same files again changes nothing.

        Unless what is stored is not what was: then it is put aside, and the files are stored anew.
        """
        manifest = json.dumps({name: _sha256(files[name]) for name in sorted(files)}, indent=2).encode()
        digest = _sha256(manifest)
        target = self.folder(digest)
        there = target.is_dir()
        if not there or not self._whole(digest):
            self.root.mkdir(parents=True, exist_ok=True)
            if there:
                _put_aside(target)
            partial = Path(mkdtemp(prefix=".partial-", dir=self.root))
            for name, content in {**files, MANIFEST: manifest}.items():
                _write(partial / name, content)
            _publish(partial, target)
        return digest

    def load(self, digest: str) -> dict[str, bytes]:
        """The files of an artifact. Raises ArtifactMismatch when a byte is not the one recorded."""
        folder = self.folder(digest)
        if not folder.is_dir():
            raise NotMaterialized(f"there is no artifact {digest} in {self.root}; was it deleted?")
        manifest = _read(folder / MANIFEST)
        if _sha256(manifest) != digest:
            raise ArtifactMismatch(f"the manifest of artifact {digest} has been changed since it was written")
        files = {}
        for name, expected in json.loads(manifest).items():
            files[name] = _read(folder / name)
            found = _sha256(files[name])
            if found != expected:
                raise ArtifactMismatch(
                    f"{name} of artifact {digest} has been changed: found SHA-256 {found[:12]}…, "
                    f"recorded {expected[:12]}…. Restore the file or train the model again."
                )
        return files

    def _whole(self, digest: str) -> bool:
        try:
            self.load(digest)
        except (ArtifactMismatch, NotMaterialized):
            return False
        return True

    def folder(self, digest: str) -> Path:
        """Where an artifact's files are."""
        return self.root / digest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactMismatch(f"{path.name} of artifact {path.parent.name} is missing") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _put_aside(target: Path) -> None:
    """Keep what is not what was stored for whoever looks for how that came to be; no digest names it."""
    with suppress(FileNotFoundError):
        target.rename(target.with_name(f".damaged-{target.name[:12]}-{uuid4().hex}"))


def _publish(partial: Path, target: Path) -> None:
    """Make a finished folder visible under its name; another process may have been first."""
    try:
        os.rename(partial, target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(partial)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""The files that sources read: inside installed distributions, or landed below a root folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from mlops_assets.data.sql import text
from mlops_assets.declaration.installed import installed_file
from mlops_assets.declaration.source import LandedFile, PackageFile
from mlops_assets.errors import DeclarationError, SourceUnreadable

DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class SourceFile:
    """A file that is there. named: where it was declared to be, without any path of this machine."""

    path: Path
    named: str
    missing: tuple[str, ...]

    @property
    def sha256(self) -> str:
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def relation(self) -> str:
        """SQL that yields its rows, every value as text; ``missing`` spellings are null."""
        path = text(str(self.path))
        if self.path.suffix == ".parquet":
            return f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({path})"
        spellings = ", ".join(text(spelling) for spelling in self.missing)
        # Nothing is left to be guessed from the rows: a file of one odd row would be read in another way.
        dialect = f"delim = {text(self._delimiter())}, quote = '\"', escape = '\"', comment = '', skip = 0"
        return (
            f"SELECT * FROM read_csv({path}, {dialect}, header = true, all_varchar = true, "
            f"nullstr = [{spellings}])"
        )

    def _delimiter(self) -> str:
        """The one that the header has most of; a comma for a single column."""
        with self.path.open(encoding="utf-8", errors="replace") as stream:
            header = stream.readline()
        return max(DELIMITERS, key=header.count)


@dataclass(frozen=True)
class Files:
    """Where source files are found. landing: the root of landed files. cache: unpacked archives."""

    landing: Path
    cache: Path

    def package_file(self, declared: PackageFile) -> SourceFile:
        """The declared file, found without importing its package; an archive's member is unpacked.

        Raises SourceUnreadable when the distribution or the file is missing.
        """
        try:
            path = installed_file(declared)
        except DeclarationError as error:
            raise SourceUnreadable(str(error)) from error
        return SourceFile(_unpacked(path, self.cache), declared.named, declared.missing)

    def landed_file(self, declared: LandedFile, day: str | None = None) -> SourceFile | None:
        """The landed file (of ``day``, where it is daily); None when nothing has landed there."""
        relative = declared.landing.replace("{day}", day) if day else declared.landing
        path = self.landing / relative
        if not path.is_file():
            return None
        if not path.resolve().is_relative_to(self.landing.resolve()):
            raise SourceUnreadable(f"{relative} leads out of the landing root; expected a file below it")
        return SourceFile(path, f"landing:{relative}", declared.missing)


def _unpacked(path: Path, cache: Path) -> Path:
    """The file itself, or the only member of a zip archive, unpacked once per content."""
    if path.suffix != ".zip":
        return path
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    target = cache / digest[:32] / path.with_suffix("").name
    if not target.is_file():
        _unpack(path, target)
    return target


def _unpack(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(dir=target.parent)) / target.name
    try:
        with zipfile.ZipFile(archive) as opened, partial.open("wb") as stream:
            names = [name for name in opened.namelist() if name.endswith(target.name)]
            if len(names) != 1:
                raise SourceUnreadable(
                    f"{archive.name} holds {opened.namelist()}, expected one {target.name}"
                )
            with opened.open(names[0]) as member:
                shutil.copyfileobj(member, stream)
        # Renaming last: a reader sees the whole file or none, whatever kills this process.
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial.parent, ignore_errors=True)

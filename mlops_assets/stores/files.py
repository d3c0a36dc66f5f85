"""The files that sources read: inside installed distributions, or landed below a root folder."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from mlops_assets.data.sql import text
from mlops_assets.declaration.installed import installed_file
from mlops_assets.declaration.source import LandedFile, PackageFile
from mlops_assets.errors import DeclarationError, SourceUnreadable

DELIMITERS = ",;\t|"
# As much of a line as is looked at for its delimiter.
LONGEST_LINE = 2**20


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

    @property
    def is_text(self) -> bool:
        return self.path.suffix != ".parquet"

    @property
    def expected(self) -> str:
        """What is expected of its bytes."""
        if not self.is_text:
            return "expected a whole Parquet file"
        return "expected CSV in UTF-8 whose first line names the columns, and as many values in each row"

    def relation(self) -> str:
        """SQL that yields its rows, every value as text; ``missing`` spellings are null.

        Raises SourceUnreadable for a text without a line.
        """
        path = text(str(self.path))
        if not self.is_text:
            return f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({path})"
        spellings = ", ".join(text(spelling) for spelling in self.missing)
        return (
            f"SELECT * FROM read_csv({path}, {self.dialect()}, header = true, all_varchar = true, "
            f"nullstr = [{spellings}])"
        )

    def dialect(self) -> str:
        """How its text is read: nothing is guessed from the rows, or a file of one odd row is read in another way."""
        return f"delim = {text(self.delimiter())}, quote = '\"', escape = '\"', comment = '', skip = 0"

    def delimiter(self) -> str:
        """The one that the header has most of; a comma for a single column."""
        return max(DELIMITERS, key=self.first_line().count)

    def first_line(self) -> str:
        """The first line of its text that is not blank. Raises SourceUnreadable when there is none."""
        opened = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opened(self.path, "rt", encoding="utf-8-sig", errors="replace") as stream:
                lines = iter(lambda: stream.readline(LONGEST_LINE), "")
                line = next((line for line in lines if line.strip()), None)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceUnreadable(f"found that it cannot be opened ({error}); {self.expected}") from error
        if line is None:
            raise SourceUnreadable(f"found no line in {self.path.stat().st_size} bytes; {self.expected}")
        return line


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
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceUnreadable(
            f"{archive.name} cannot be unpacked ({error}); expected a whole zip archive"
        ) from error
    finally:
        shutil.rmtree(partial.parent, ignore_errors=True)

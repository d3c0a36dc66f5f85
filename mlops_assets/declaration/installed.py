"""Files inside installed distributions, found without importing any package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path, PurePosixPath

from mlops_assets.declaration.source import PackageFile, Source
from mlops_assets.errors import DeclarationError, nearest, nearest_only


def installed_file(declared: PackageFile) -> Path:
    """The declared file. Raises DeclarationError when the distribution or the file is missing."""
    try:
        installed = distribution(declared.package).files or []
    except (PackageNotFoundError, ValueError) as error:
        close = nearest_only(declared.package, (one.name for one in distributions()))
        raise DeclarationError(
            f"the distribution {declared.package!r} is not installed. {close or 'Install it, or correct the name.'}",
            field=("package",),
        ) from error
    files = {str(PurePosixPath(*file.parts[1:])): file for file in installed}
    if declared.file not in files:
        kind = PurePosixPath(declared.file).suffix
        known = [name for name in files if PurePosixPath(name).suffix == kind] or list(files)
        raise DeclarationError(
            f"the distribution {declared.package!r} has no file {declared.file!r}. {nearest(declared.file, known)}",
            field=("file",),
        )
    return Path(str(files[declared.file].locate()))


def require_installed(source: Source) -> None:
    """Refuse a source that reads a file of a package which is not there. Raises DeclarationError."""
    for index, table in enumerate(source.tables):
        if isinstance(table.reads, PackageFile):
            try:
                installed_file(table.reads)
            except DeclarationError as error:
                field = ("tables", index, "reads", *error.field)
                raise DeclarationError(str(error), field=field) from error

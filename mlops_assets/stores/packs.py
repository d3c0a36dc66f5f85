"""Files that belong together, written as a folder or a .zip: whole or not at all, over nothing that is there.

Equal files make equal bytes: a .zip has them in the order of their names, with no moment and no owner.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from mlops_assets.errors import BadRequest

# Lists every other file as ``sha256sum`` does; its own digest is that of the whole.
MANIFEST = "MANIFEST"
_NO_MOMENT = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def write_pack(to: Path, files: Mapping[str, Iterable[bytes]]) -> str:
    """Write files (path with slashes -> parts of what it holds); the digest of their MANIFEST.

    to: a .zip when its name ends so, else a folder. Raises BadRequest when something is there already, or it
    cannot be written; then nothing is left.
    """
    _refuse_what_is_there(to)
    try:
        with _partial(to) as folder:
            digest = _write(folder / to.stem, files)
            whole = _zipped(folder, to) if to.suffix == ".zip" else folder / to.stem
            _refuse_what_is_there(to)
            os.rename(whole, to)
    except OSError as error:
        raise BadRequest(f"{to} cannot be written: {error}") from error
    return digest


def _refuse_what_is_there(to: Path) -> None:
    if os.path.lexists(to):
        raise BadRequest(
            f"found something at {to}, expected nothing: a pack is never written over; name another place"
        )


@contextmanager
def _partial(to: Path) -> Iterator[Path]:
    """A folder beside the place, on the same disk; it is gone at the end."""
    to.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, files: Mapping[str, Iterable[bytes]]) -> str:
    listed = []
    for name in sorted(files):
        path, found = folder / name, sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            for part in files[name]:
                stream.write(part)
                found.update(part)
        listed.append(f"{found.hexdigest()}  {name}\n")
    manifest = "".join(listed).encode()
    (folder / MANIFEST).write_bytes(manifest)
    return sha256(manifest).hexdigest()


def _zipped(folder: Path, to: Path) -> Path:
    target = folder / to.name
    root = folder / to.stem
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(one for one in root.rglob("*") if one.is_file()):
            info = zipfile.ZipInfo(path.relative_to(root).as_posix(), _NO_MOMENT)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _READABLE
            with path.open("rb") as source, packed.open(info, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink)
    return target

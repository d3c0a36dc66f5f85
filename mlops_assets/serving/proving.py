"""A process that proves with scikit-learn what a service may answer with, and ends.

So the one that answers holds no more than it answers with, and goes on answering while another version is proven.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import asdict
from pathlib import Path

from mlops_assets.errors import ArtifactMismatch, NotProven
from mlops_assets.modeling.engines import Proof
from mlops_assets.stores.artifacts import Artifacts

# Far longer than any model was seen to take; what hangs is not waited for for ever.
SECONDS = 600


def proven_apart(artifacts: Artifacts, digest: str) -> Proof:
    """What ``modeling/proving.py`` finds of the files of a model, which it reads under their digest.

    Raises ArtifactMismatch where that does, and NotProven when the process fails otherwise.
    """
    # The very code that runs here, wherever the command was started.
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    asked = [sys.executable, "-P", "-m", __name__, str(artifacts.root.resolve()), digest]
    try:
        ended = subprocess.run(  # noqa: S603 (this Python, and a digest of the release record)
            asked,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            # Ctrl-C is for the service, which drains first.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise NotProven(f"artifact {digest} was not proven within {SECONDS} seconds") from None
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise NotProven(
            f"the process that proves artifact {digest} ended with {ended.returncode}: {said[-1]}"
        )
    told = json.loads(ended.stdout)
    if "mismatch" in told:
        raise ArtifactMismatch(told["mismatch"])
    table = told.pop("compiled")
    return Proof(**told, compiled=None if table is None else b64decode(table))


def _prove(root: str, digest: str) -> None:
    """Print the proof, and nothing else: what libraries print goes to where errors do."""
    answer = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answer, "w") as told:
        json.dump(_told(Artifacts(Path(root)), digest), told)


def _told(artifacts: Artifacts, digest: str) -> dict[str, object]:
    # Here is what the process that answers shall not hold.
    from mlops_assets.modeling.proving import proven

    try:
        proof = proven(artifacts.load(digest))
    except ArtifactMismatch as error:
        return {"mismatch": str(error)}
    table = proof.compiled
    return {**asdict(proof), "compiled": None if table is None else b64encode(table).decode()}


if __name__ == "__main__":
    _prove(*sys.argv[1:])

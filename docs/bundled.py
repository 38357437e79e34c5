"""Compare the bundled table library with its npm package: ``python -m docs.bundled``; ``--write`` takes it over.

Needs npm. The version and the digest of the package stand here, so that a release that was changed is noticed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "classifier" / "report" / "assets"
PACKAGE = "datatables.net@3.1.5"
PACKAGE_SHA256 = "929abd7ebe941812372f363b0b8c5fbb4c666064492ba8829ce92c8a27510fc1"
FILES = {"package/js/dataTables.min.js": "dataTables.min.js", "package/License.txt": "dataTables.LICENSE.txt"}


def bundled() -> dict[str, bytes]:
    """The files as npm has them, by the name that they have here. Exits where the package is not the one pinned."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603 - fixed arguments
            ["npm", "pack", "--silent", PACKAGE],  # noqa: S607 - whichever npm the user has
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        (archive,) = Path(folder).glob("*.tgz")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != PACKAGE_SHA256:
            raise SystemExit(f"{PACKAGE}: sha256 {digest}, expected {PACKAGE_SHA256}")
        with tarfile.open(archive) as files:
            found = {}
            for name, here in FILES.items():
                member = files.extractfile(name)
                if member is None:
                    raise SystemExit(f"{PACKAGE}: holds no {name}")
                found[here] = member.read()
    return found


def main() -> None:
    """Compare, or with ``--write`` take over."""
    different = []
    for name, content in bundled().items():
        if (ASSETS / name).read_bytes() != content:
            different.append(name)
            if "--write" in sys.argv[1:]:
                (ASSETS / name).write_bytes(content)
    if different and "--write" not in sys.argv[1:]:
        raise SystemExit(f"not as in {PACKAGE}: {', '.join(different)}")
    print(f"{'written' if different else 'the same as in'} {PACKAGE}: {', '.join(FILES.values())}")


if __name__ == "__main__":
    main()

"""``make record``: start the real model server and record the cassettes anew.

Run from the repository root: ``python -m tests.record``. The network stays blocked but for loopback.
"""

import os
import subprocess
import sys

from tests import model_server
from tests.paths import ROOT


def main():
    reason = model_server.missing()
    if reason:
        sys.exit(reason)
    with model_server.running() as url:
        print(f"recording from {model_server.model_file().name} at {url}", file=sys.stderr)
        environment = {**os.environ, "CLASSIFIER_RECORD_URL": url}
        command = [sys.executable, "-m", "pytest", "tests/test_openai_judge.py", "-m", "vcr", "--record-mode=rewrite"]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

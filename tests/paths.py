"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "lets-verify-step-by-step.txt"
SHARED = Path(os.environ.get("CLASSIFIER_SHARED", ROOT.parent / "shared"))

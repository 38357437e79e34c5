"""What users install: the built wheel, in an empty environment, from another folder."""

import os
import subprocess
import sys
import venv
import zipfile

import pytest

from tests.paths import EXAMPLE, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_prompts_model_and_type_marker(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "classifier/py.typed" in names
    assert any(n.startswith("classifier/_prompts/") and n.endswith(".j2") for n in names)
    assert "classifier/judges/local/model/weights.npz" in names
    assert "classifier/_guide.md" in names
    assert {"classifier/review/templates/work.html.j2", "classifier/review/assets/review.js"} <= set(names)
    assert not any(n.endswith((".pkl", ".pickle", ".sqlite")) for n in names)
    assert not any(n.startswith(("tests/", "eval/", "benchmarks/", "docs/")) for n in names)


def test_the_wheel_runs_in_an_empty_environment(wheel, tmp_path):
    env_dir = tmp_path / "env"
    venv.create(env_dir, with_pip=True)
    binary = env_dir / ("Scripts" if os.name == "nt" else "bin")
    install = subprocess.run(
        [binary / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if install.returncode and ("No matching distribution" in install.stderr or "connection" in install.stderr.lower()):
        pytest.skip(f"no package registry: {install.stderr.splitlines()[-1]}")
    assert install.returncode == 0, install.stderr
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [binary / "classify", "run", str(EXAMPLE)],
        cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("judge: local (no key and no base URL is configured)")
    reference = ROOT / "outputs" / EXAMPLE.stem
    made = tmp_path / "outputs" / EXAMPLE.stem
    for name in ("predictions.csv", "predictions.jsonl", "summary.json"):
        assert (made / name).read_bytes() == (reference / name).read_bytes(), name
    shown = subprocess.run(
        [binary / "classify", "plan", str(EXAMPLE), "--judge", "openai", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"],
        cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "first prompt" in shown.stdout, shown.stderr

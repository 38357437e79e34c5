"""README and docs/ say what the program does: commands run as written, samples are real, links lead somewhere."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import typer

from classifier.cli import app
from docs.generate import _commands, commands_page, sample
from tests.hostile_server import HostileServer
from tests.paths import EXAMPLE, ROOT
from tests.test_cli import classify

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^    ((?:classify|make|python3|export|\.venv/bin/)\S* ?.*)$", re.M)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / "eval").glob("**/*.md"),
                *(ROOT / "outputs").glob("*.md"), *(ROOT / "benchmarks").glob("**/*.md")])  # fmt: skip

NEEDS_MORE = {
    "make run": "installs from the package registry; .ci/run does it",
    "make test": "installs from the package registry; .ci/run does it",
    "python3 -m venv": "installs from the package registry; test_wheel installs in an empty environment",
    ".venv/bin/pip install": "installs from the package registry; .ci/run does it",
    "export OPENAI_API_KEY": "wants a key",
    "classify run INPUT --model gpt-5-mini": "wants a key and the network",
    "classify evaluate RUN --gold": "wants a run that has gold labels; test_evaluation_* do it",
    "classify benchmark": "wants data sets that are no part of the project; test_evaluation_benchmarks does it",
    "classify fetch": "wants the network; test_fetch does it",
    "classify review": "serves until it is stopped; tests/browser/test_review_page.py does it",
}


def written(text):
    """The commands in the code blocks, without comments; ``a|b`` becomes one command for each."""
    found = []
    for line in COMMAND.findall(text):
        command = re.sub(r"\s+#.*$", "", line).rstrip()
        choice = re.search(r"\S+(?:\|\S+)+", command)
        found += [command.replace(choice[0], one) for one in choice[0].split("|")] if choice else [command]
    return found


def here(command):
    return next((why for start, why in NEEDS_MORE.items() if command.startswith(start)), None) is None


def leaves():
    return list(_commands(typer.main.get_command(app), "classify"))


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_the_sample_in_the_readme_is_what_the_program_prints():
    shown = README.partition("<!-- begin sample -->\n")[2].partition("\n<!-- end sample -->")[0]
    assert "coverage: 93 announced, 50 listed" in shown
    assert shown == sample(), "renew it with `make docs`"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as a reader of the README has it: the example, a run of it, an export of the store."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(EXAMPLE.parent, folder / "examples")
    classify("run", EXAMPLE, "--judge", "local", cwd=folder, check=0)
    classify("cache", "export", folder / "answers.jsonl", cwd=folder, check=0)
    return folder


RUNNABLE = [command for command in written(README) if here(command)]


def test_the_readme_shows_commands_and_those_left_out_are_there():
    assert len(RUNNABLE) >= 9, RUNNABLE
    for start in set(NEEDS_MORE) - {"classify fetch"}:
        assert any(command.startswith(start) for command in written(README)), f"no longer in the README: {start}"


@pytest.mark.parametrize("command", RUNNABLE)
def test_a_command_of_the_readme_runs_as_written(command, place):
    with (place / "outputs" / EXAMPLE.stem / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        citing_id = next(csv.DictReader(file))["citing_id"]
    names = {"INPUT": f"examples/{EXAMPLE.name}", "RUN": f"outputs/{EXAMPLE.stem}", "CITING_ID": citing_id}
    more = {
        "classify cache explain": [names["INPUT"], "--model", "m", "--base-url", "http://127.0.0.1:9/v1"],
        "classify cache export": ["again.jsonl"],
        "classify cache import": ["answers.jsonl"],
        "classify cache prune": ["--truncated"],
    }
    words = [names.get(word, word) for word in shlex.split(command)] + more.get(command, [])
    assert words[0] == "classify", command
    with HostileServer() as server:
        words = [re.sub(r"http://127\.0\.0\.1:11434/v1", server.url, word) for word in words]
        if "--base-url" in command:
            words += ["--out", str(place / "endpoint")]
        classify(*words[1:], cwd=place, check=0)
        assert ("--base-url" in command) == bool(server.bodies), "what needs no server asks none"


@pytest.mark.parametrize("target", [c.split()[1] for c in written(README) if c.startswith("make ")])
def test_the_make_targets_of_the_readme_exist(target):
    if shutil.which("make") is None:
        pytest.skip("no make here")
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_options_that_pages_name_exist():
    """Each ``classify …`` in any page: the command is there, and it takes each option that is named."""
    known = {path: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} for path, command in leaves()}
    assert len(known) > 20
    checked = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command in [*written(text), *re.findall(r"`(classify [^`\n]+)`", text)]:
            words = command.split()
            if words[0] != "classify":
                continue
            path = next((p for p in known if f"{' '.join(words)} ".startswith(f"{p} ")), None)
            if path is None:
                group = any(p.startswith(f"{' '.join(words[:2])} ") for p in known)
                assert group or not re.fullmatch(r"[a-z]+", words[1]), f"{page.name}: no such command: {command}"
                continue
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", command):
                assert option in known[path], f"{page.name}: {path} takes no {option}"
            checked += 1
    assert checked > 15


@pytest.mark.parametrize(("path", "command"), leaves(), ids=[path for path, _ in leaves()])
def test_every_command_has_help_and_stands_in_the_reference(path, command):
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert command.help
    assert f"## `{path}`" in page
    section = page.partition(f"## `{path}`")[2].partition("\n## ")[0]
    for parameter in command.params:
        if "--help" not in parameter.opts:
            assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"
            names = {*parameter.opts, parameter.metavar or parameter.name.upper()}
            assert any(f"`{name}" in section or f", {name}`" in section for name in names), parameter.name


def test_every_command_answers_to_help():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom classifier.cli import app\n"
        "for line in sys.stdin:\n"
        "    done = CliRunner().invoke(app, [*line.split()[1:], '--help'])\n"
        "    assert done.exit_code == 0 and 'Usage:' in done.output, (line, done.output)\n"
    )
    paths = "".join(f"{path}\n" for path, _ in leaves())
    subprocess.run([sys.executable, "-c", code], input=paths, text=True, check=True, cwd=ROOT,
                   env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip


def test_the_command_reference_is_fresh():
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == commands_page(), "renew it with `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_pages_that_messages_name_exist():
    named = {
        name
        for path in (ROOT / "classifier").rglob("*.py")
        for name in re.findall(r"\bdocs/[\w./-]+\.(?:md|json)\b", path.read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []

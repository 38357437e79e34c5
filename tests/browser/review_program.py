"""`classify review` as users start it, for tests and screenshots."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from tests.paths import ROOT


class Program:
    """`classify review` as a process of its own."""

    def __init__(self, run, *options):
        command = [sys.executable, "-m", "classifier", "review", str(run), *options]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=run.parent, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.process.stderr.read()

    def stop(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors


@contextmanager
def reviewing(run, *options):
    program = Program(run, *options)
    try:
        yield program
    finally:
        program.stop()

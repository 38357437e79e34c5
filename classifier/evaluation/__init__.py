"""Measure a run against gold labels: scores, agreement, confidence, comparison, corrected shares, benchmarks.

Data flows ``gold`` + ``runs`` -> ``align`` -> ``scores`` / ``agreement`` / ``confidence`` -> ``measure`` -> ``report``.
"""

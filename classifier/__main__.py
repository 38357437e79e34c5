"""``python -m classifier`` is ``classify``."""

from classifier.cli import main

main()

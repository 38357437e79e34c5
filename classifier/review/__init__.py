"""Going through a run's labels by hand: the page, its log of decisions, imports, and the way into a gold set."""

"""Public citation data sets: read, judged through the ordinary pipeline, scored by each scheme's own protocol."""

"""Measurements of speed, memory and coverage; each module prints its figures."""

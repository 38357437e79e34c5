"""A run in the forms that other programs read. Each module writes one form from results, nothing else."""

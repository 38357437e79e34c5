"""Who decides: a remote model behind an OpenAI-compatible endpoint, or the embedded local model."""

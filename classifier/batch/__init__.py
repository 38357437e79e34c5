"""Requests and answers in files: OpenAI's Batch API, and anybody who answers a file of requests."""

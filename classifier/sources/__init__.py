"""Scholarly sources: one client a service, all giving ``CitingWork``; a cache that resumes; merging."""

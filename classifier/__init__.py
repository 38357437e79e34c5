"""Label what citing works use a hub paper for (role) and how they speak of it (polarity)."""

__version__ = "0.1.0"

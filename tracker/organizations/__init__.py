"""Organizations: their settings, repositories and teams."""

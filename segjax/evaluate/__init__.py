"""A whole split -> integer counts -> scores, files and pictures."""

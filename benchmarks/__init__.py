"""Speed and soundness, measured where they are claimed; see README.md here."""

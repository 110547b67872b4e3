"""The safety of every strategy: what halts openings, what is checked, and how to get out."""

"""The opensqt command."""

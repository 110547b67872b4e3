"""Ledger and checkpoints: one schema for SQLite and PostgreSQL, exact to the last digit."""

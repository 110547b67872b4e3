"""Schemas shared with other processes, and the code generated from them."""

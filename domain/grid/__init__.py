"""The grid strategy: a ladder of slots, each buys low and sells a level higher, or the mirror."""

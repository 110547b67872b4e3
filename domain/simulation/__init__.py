"""A deterministic exchange without I/O or clock: the same tape gives the same fills, for ever."""

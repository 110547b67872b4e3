"""The local stack: Temporal, the paper exchange and a worker, watched over by one process."""

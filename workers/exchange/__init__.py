"""The paper exchange: a simulated venue as a process of its own, behind gRPC."""

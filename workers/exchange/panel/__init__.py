"""The control API: HTTP and JSON on a loopback port, for whoever tests against the exchange."""

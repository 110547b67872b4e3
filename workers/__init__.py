"""Processes and wiring: workers, runners, the API, the command line, the local stack."""

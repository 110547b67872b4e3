"""Run the paper exchange alone: `python -m workers.exchange`."""

from workers.exchange.cli import exchange

exchange(prog_name="opensqt exchange")

"""`python -m bench [NAME ...] [--quick] [--json FILE]`: each bench in a process of its own."""

import argparse
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.report import Row, read, table, write

_ROOT: Final = Path(__file__).parents[1]
BENCHES: Final = (
    "engine",
    "replay",
    "durable",
    "fleet",
    "gateways",
    "streams",
    "connected",
    "scan",
)


def main() -> int:
    """Run the benches that were named, or all; 1 if one of them could not be run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    names: list[str] = asked.names or list(BENCHES)
    if asked.here:  # the process that was started for one bench
        bench = import_module(f"bench.{names[0]}")
        write(asked.json, bench.run(quick=asked.quick))
        return 0
    rows, failed = _all(names, quick=asked.quick)
    print(table(rows))
    if asked.json:
        write(asked.json, rows)
    return 1 if failed else 0


def _all(names: list[str], *, quick: bool) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="opensqt-bench-") as directory:
        for name in names:
            began, path = time.perf_counter(), Path(directory) / f"{name}.json"
            command = [sys.executable, "-m", "bench", name, "--here", "--json", str(path)]
            done = subprocess.run(
                [*command, *(["--quick"] if quick else [])], cwd=_ROOT, check=False
            )
            took = time.perf_counter() - began
            print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
            if done.returncode:
                failed.append(name)
                print(f"{name} failed with exit code {done.returncode}", file=sys.stderr)
            else:
                rows += read(path)
    return rows, failed


if __name__ == "__main__":
    sys.exit(main())

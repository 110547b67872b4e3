"""`make fuzz`: play scripts by the thousand, and print what the runners disagree about.

python -m tests.fuzz --examples 10000 --seed 1 --jobs 2
python -m tests.fuzz --replay fuzz-failure.json
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import click

from tests.fuzz.hunt import Hunted, hunt_chunk, hunting_ground, wrong
from tests.fuzz.script import SCRIPTS, Script

_CHUNK: Final = 100
_FAILURE: Final = Path("fuzz-failure.json")


@click.command()
@click.option("--examples", default=10_000, show_default=True, help="How many scripts to play.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same scripts.")
@click.option("--jobs", default=2, show_default=True, help="Processes, each with a server.")
@click.option("--skip", default=0, help="Leave out so many: a hunt that was ended goes on there.")
@click.option("--replay", type=click.Path(path_type=Path), help="Play the script in this file.")
def main(examples: int, seed: int, jobs: int, skip: int, replay: Path | None) -> None:
    """Compare both runners with the plain loop. Exits with 1 if they disagree."""
    if replay is not None:
        why = asyncio.run(_replay(SCRIPTS.validate_json(replay.read_bytes())))
        click.echo(why or "they agree")
        sys.exit(why is not None)
    began = time.monotonic()
    total: Counter[str] = Counter()
    made, examples = 0, examples - skip
    for hunted in _hunt(examples, seed, jobs, skip):
        made += hunted.made
        total += hunted.counted
        passed = time.monotonic() - began
        left = passed / made * (examples - made)
        click.echo(f"{made:>7} of {examples} in {passed:.0f} s, {left:.0f} s to go")
        if hunted.finding is not None:
            _FAILURE.write_bytes(SCRIPTS.dump_json(hunted.finding.script, indent=1))
            click.echo(f"\n{hunted.finding.why}\n\n{hunted.finding.script}\n")
            click.echo(f'Play it again with: make fuzz ARGS="--replay {_FAILURE}"')
            sys.exit(1)
    click.echo(
        f"\nno disagreement in {made} examples (seed {seed}, {time.monotonic() - began:.0f} s)"
    )
    for name, count in sorted(total.items()):
        click.echo(f"  {name:24} {count}")


def _hunt(examples: int, seed: int, jobs: int, skip: int) -> Iterator[Hunted]:
    """Yield what comes of each chunk as it ends; who stops listening gives up the others."""
    sizes = [min(_CHUNK, examples - start) for start in range(0, examples, _CHUNK)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        chunks = [
            pool.submit(hunt_chunk, 1_000_000 * seed + number, size)
            for number, size in enumerate(sizes, start=skip // _CHUNK)
        ]
        try:
            for chunk in as_completed(chunks):
                yield chunk.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


async def _replay(script: Script) -> str | None:
    async with hunting_ground() as where:
        return await wrong(where, script)


if __name__ == "__main__":
    main()

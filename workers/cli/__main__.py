"""`python -m workers.cli`: what `opensqt` is, also where the script is not on PATH."""

from workers.cli.main import main

main()

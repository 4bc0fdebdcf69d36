"""``python -m rowmill``: the command line."""

from rowmill.cli.main import main

main()

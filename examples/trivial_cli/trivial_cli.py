# SPDX-License-Identifier: MIT
"""A greeting: trivial_cli.py [--name NAME] [--config FILE]. FILE's first line is the greeting."""

import sys


def main(words: list[str]) -> int:
    """Prints the greeting; returns the exit code."""
    options = {"--name": "World", "--config": "greeting.txt"}
    while words:
        option, value, *words = [*words, ""] if len(words) == 1 else words
        if option not in options or not value:
            print("usage: trivial_cli.py [--name NAME] [--config FILE]", file=sys.stderr)
            return 2
        options[option] = value
    try:
        with open(options["--config"], encoding="utf-8") as file:
            greeting = file.readline().rstrip("\n")
    except OSError as error:
        print(f"trivial_cli.py: {options['--config']}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{greeting}, {options['--name']}!", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

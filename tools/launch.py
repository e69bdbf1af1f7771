"""torchrun for launch.sh: a user's mistake is said last, after torchrun's report.

The flags before TOOL are torchrun's (python -m torch.distributed.run --help lists
them), those behind it are the tool's.
"""

import argparse
import sys


def parse_args(argv: list[str]) -> None:
    """Answer --help where it is the first flag; all others are torchrun's."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='launch.py [--help] [flags of torchrun] TOOL [flags of TOOL]',
    )
    parser.parse_args([flag for flag in argv[:1] if flag in ('-h', '--help')])


if __name__ == '__main__':
    parse_args(sys.argv[1:])

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

MISTAKE = 'error: '  # how the tools begin such a sentence


def mistake_of(error: ChildFailedError) -> str | None:
    """The first sentence that a process left for its launcher; None without one."""
    told = []
    for failure in error.failures.values():
        message = failure.message
        text = message['message'] if isinstance(message, dict) else message
        if text.startswith(MISTAKE):
            told.append((failure.timestamp, text))
    return min(told)[1] if told else None


if __name__ == '__main__':
    try:
        main()
    except ChildFailedError as error:
        sentence = mistake_of(error)
        if sentence is None:
            raise
        print(sentence, file=sys.stderr, flush=True)
        sys.exit(2)

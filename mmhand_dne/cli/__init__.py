"""What the command-line tools share: flags, progress and errors in one sentence."""

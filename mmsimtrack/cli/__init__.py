"""The command `mmsimtrack`, and what the tools share with it."""

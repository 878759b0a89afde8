"""Times and errors, by airspeed velocity: `cd asv_bench && asv run -E existing`, or one file with `python -m`."""

"""`python -m numba_rnn.cli` is `numba-rnn`."""

from numba_rnn.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()

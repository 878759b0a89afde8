"""The mathematics of the recurrent cells, one file a cell; adding one is a new file and an import line here."""

from numba_rnn.cells.gru import GRU, GRU_RESET_BEFORE
from numba_rnn.cells.lstm import LSTM
from numba_rnn.cells.simple_rnn import SIMPLE_RNN
from numba_rnn.cells.spec import CELLS, CellSpec

__all__ = ["CELLS", "GRU", "GRU_RESET_BEFORE", "LSTM", "SIMPLE_RNN", "CellSpec"]

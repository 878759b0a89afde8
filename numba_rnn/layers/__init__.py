"""Layers under Keras' names."""

from __future__ import annotations

from numba_rnn.layers import resident_operations as resident_operations
from numba_rnn.layers import resident_shapes as resident_shapes
from numba_rnn.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from numba_rnn.layers.base import Layer
from numba_rnn.layers.bidirectional import Bidirectional
from numba_rnn.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
from numba_rnn.layers.core import Dense, Embedding, Input, InputLayer, Masking
from numba_rnn.layers.dropout import Dropout, GaussianDropout, GaussianNoise, SpatialDropout1D
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from numba_rnn.layers.normalization import BatchNormalization, LayerNormalization
from numba_rnn.layers.pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from numba_rnn.layers.projected import ProjectedLSTMCell
from numba_rnn.layers.recurrent import GRU, LSTM, SimpleRNN
from numba_rnn.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from numba_rnn.layers.rnn import RNN
from numba_rnn.layers.stacked import StackedRNNCells
from numba_rnn.layers.time_distributed import TimeDistributed
from numba_rnn.layers.weight import Weight

__all__ = [
    "ELU", "GRU", "LSTM", "RNN", "Activation", "Add", "Average", "BatchNormalization", "Bidirectional", "Concatenate",
    "Dense", "Dropout", "Embedding", "Flatten", "GRUCell", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D",
    "GlobalMaxPooling1D", "Input", "InputLayer", "InputSpec", "LSTMCell", "Layer", "LayerNormalization", "LeakyReLU",
    "Masking", "Maximum", "Minimum", "Multiply", "Permute", "ProjectedLSTMCell", "ReLU", "RepeatVector", "Reshape",
    "SimpleRNN", "SimpleRNNCell", "Softmax", "SpatialDropout1D", "StackedRNNCells", "Subtract", "TimeDistributed", "Weight",
    "add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract",
]  # fmt: skip

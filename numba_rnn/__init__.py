"""Run trained Keras recurrent networks at kernel speed, without TensorFlow."""

__version__ = "0.1.0.dev0"

"""Run trained Keras recurrent networks at kernel speed, without TensorFlow."""

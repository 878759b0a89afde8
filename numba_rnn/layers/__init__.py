"""Layers under Keras' names."""

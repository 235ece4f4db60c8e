"""Layers, losses, first values: networks as objects. `functional` is the same as functions, `init` fills parameters."""

from . import functional, init
from .layers import Linear, MSELoss, ReLU, Sequential, Sigmoid, Tanh
from .module import Module, Parameter
from .summary import summary

__all__ = ["Linear", "MSELoss", "Module", "Parameter", "ReLU", "Sequential", "Sigmoid", "Tanh", "functional", "init", "summary"]

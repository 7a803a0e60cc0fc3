"""The original `small.cfg` in PyTorch, as a reference beside the embedded one.

    npx difftest layer-by-layer --model examples/tfjs-port.ts --original examples/small.cfg \\
        --reference onnxruntime,pytorch:examples/torch_small.py:build
"""

import torch
from torch import nn


class ConvBnLeaky(nn.Module):
    def __init__(self, weights, layer):
        super().__init__()
        self.conv = convolution(weights, layer, bias=False)
        self.norm = nn.BatchNorm2d(self.conv.out_channels, eps=1e-5)
        self.norm.weight.data = weights[f"{layer}/scale"]
        self.norm.bias.data = weights[f"{layer}/bias"]
        self.norm.running_mean = weights[f"{layer}/mean"]
        self.norm.running_var = weights[f"{layer}/variance"]

    def forward(self, x):
        return nn.functional.leaky_relu(self.norm(self.conv(x)), 0.1)


class Small(nn.Module):
    """Its parts have the names of the original's layers: what each returns is held against the layer. So has its input."""

    def __init__(self, weights):
        super().__init__()
        self.conv_0 = ConvBnLeaky(weights, "conv_0")
        self.maxpool_1 = nn.MaxPool2d(2)
        self.conv_2 = ConvBnLeaky(weights, "conv_2")
        self.conv_3 = convolution(weights, "conv_3", bias=True)

    def forward(self, input):
        return self.conv_3(self.conv_2(self.maxpool_1(self.conv_0(input))))


def convolution(weights, layer, bias):
    kernel = weights[f"{layer}/kernel"]
    filters, channels, size, _ = kernel.shape
    conv = nn.Conv2d(channels, filters, size, padding=size // 2, bias=bias)
    conv.weight.data = kernel
    if bias:
        conv.bias.data = weights[f"{layer}/bias"]
    return conv


def build(weights):
    """``weights``: the original's, tensors by name, kernels as [out, in, height, width]."""
    return Small(weights)

"""A PyTorch original for tests: a convolution that is called twice, an activation that works in place, and stray prints."""

import os

import torch
from torch import nn


class TwoCalls(nn.Module):
    difftest_inputs = {"image": [2, 3, 5, 4]}

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.act = nn.LeakyReLU(0.1, inplace=True)

    def forward(self, image):
        print("printed from Python")
        os.system("echo printed from a shell")
        return self.conv(self.act(self.norm(self.conv(image))))


def build():
    torch.manual_seed(4)
    return TwoCalls()


def build_nothing():
    return 5

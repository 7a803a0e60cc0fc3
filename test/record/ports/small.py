"""The example's port with one thing wrong, which the environment variable DIFFTEST_PORT names; without it, nothing is."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

HELPERS = Path(__file__).resolve().parents[3] / "references" / "python"
sys.path.insert(0, str(HELPERS))

from difftest_tap import Channel, serve  # noqa: E402
from example_port import Port, conv3x3  # noqa: E402

WAY = os.environ.get("DIFFTEST_PORT", "")


def at(moment):
    """Ends, hangs or throws at the moment asked for."""
    if WAY == f"dies {moment}":
        os.kill(os.getpid(), signal.SIGKILL)
    if WAY == f"hangs {moment}":
        time.sleep(3600)
    if WAY == f"exits {moment}":
        print("no more memory", file=sys.stderr, flush=True)
        os._exit(9)
    if WAY == f"throws {moment}":
        raise ValueError("operands do not fit")


class Small(Port):
    name = "small"

    def build(self, take, network):
        at("before its weights")
        super().build(take, network)
        if WAY == "takes a wrong name":
            take("conv_1/kernel")
        if WAY == "takes a wrong layout":
            take("conv_0/kernel", "whio")
        if WAY == "changes a weight":
            self.scale[1] += 1e-3
        at("after its weights")

    def forward(self, inputs, tap):
        if WAY == "prints":
            print("to Python's standard output")
            os.system("echo to the standard output of a shell")
            os.write(1, b"to descriptor 1\n")
        at("before its first tap")
        slope = np.float32(0.11 if WAY == "slope 0.11" else 0.1)
        x = conv3x3(inputs["input"], self.kernel)
        x = (x - self.mean) / np.sqrt(self.variance + np.float32(1e-5)) * self.scale + self.bias
        x = np.where(x > 0, x, slope * x)
        back = tap("conv_0", x)
        at("between its taps")
        x = x if WAY == "ignores the reply" else back
        n, h, w, c = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        tap("conv_0" if WAY == "taps twice" else "maxpool_1", x)
        at("after its last tap")


def half(channel):
    """Only the beginning of a message leaves, at the tap of the pool."""
    write = channel.write

    def cut(fields, arrays=None):
        if fields.get("name") == "maxpool_1":
            channel._out.write(b'{"difftest":1,"id":3,"ask":"tap","name":"maxpool_1","tensors":[{"na')
            channel._out.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        write(fields, arrays)

    channel.write = cut


at("at once")
if WAY == "dies in the middle of a message":
    made = Channel.__init__
    Channel.__init__ = lambda self: (made(self), half(self))[0]
serve(Small())

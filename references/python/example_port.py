"""An example of a port in Python: a convolution with batch normalisation and leaky, a max pool. Only numpy is needed.

    difftest layer-by-layer --model "runner:python references/python/example_port.py" --original references/python/example.cfg
"""

import numpy as np

from difftest_tap import serve


def conv3x3(x, kernel):
    """[n, h, w, c] with [3, 3, c, out], padding 1."""
    n, h, w, c = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.stack([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=3)
    return windows.reshape(n, h, w, 9 * c) @ kernel.reshape(9 * c, -1)


class Port:
    name, layout, original = "example", "nhwc", "example"

    def build(self, take, network):
        self.kernel = take("conv_0/kernel", "hwio")
        self.bias, self.scale, self.mean, self.variance = (
            take(f"conv_0/{role}") for role in ("bias", "scale", "mean", "variance")
        )

    def variables(self):
        return {
            "conv_0/kernel": self.kernel.transpose(3, 2, 0, 1),
            **{f"conv_0/{role}": getattr(self, role) for role in ("bias", "scale", "mean", "variance")},
        }

    def forward(self, inputs, tap):
        x = conv3x3(inputs["input"], self.kernel)
        x = (x - self.mean) / np.sqrt(self.variance + np.float32(1e-5)) * self.scale + self.bias
        x = tap("conv_0", np.where(x > 0, x, np.float32(0.1) * x))
        n, h, w, c = x.shape
        x = tap("maxpool_1", x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4)))
        return [x]


if __name__ == "__main__":
    serve(Port())

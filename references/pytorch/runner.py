"""A reference for difftest that runs PyTorch models: references/PROTOCOL.md.

The original is `file.py:function` or `package.module:function`: a function without arguments that returns a torch.nn.Module,
or a pickled module (.pt, .pth; only with --trust). Its attribute `difftest_inputs` tells the inputs by name, as example
tensors or shapes: {"image": [1, 3, 224, 224]}; without it the call's own shapes are taken. Weights are .safetensors or a state dict.

    difftest references check "python references/pytorch/runner.py" --original model.py:build --weights model.safetensors
"""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "python")]

from difftest_tap import Channel, Refused, answer_calls, number  # noqa: E402

CHANNEL = Channel()  # before anything is loaded that may print

try:
    import torch
except ImportError:
    REASON = f"torch is not installed in {sys.executable}; run scripts/install-references.sh, or pip install -r references/pytorch/requirements.txt"

    def missing(_fields, _arrays):
        raise Refused("missing", REASON)

    answer_calls({"version": missing}, CHANNEL)
    sys.exit(0)

from load import load_weights, open_model  # noqa: E402
from traced_model import TracedModel  # noqa: E402


class Runner:
    """The calls, on the original that `describe` has opened last."""

    def __init__(self):
        self.model = None

    def version(self, _fields, _arrays):
        return {
            "name": "pytorch",
            "version": torch.__version__,
            "build": f"Python {sys.version.split()[0]}, {torch.get_num_threads()} thread",
            "role": "reference",
            "calls": ["version", "describe", "run", "gradient"],
        }, {}

    def describe(self, fields, arrays):
        self.model = None
        trust = bool(fields.get("trust"))
        module = open_model(fields["original"], trust).eval()
        load_weights(module, fields.get("weights"), arrays, trust)
        self.model = TracedModel(module, fields)
        return self.model.describe(), {}

    def run(self, fields, arrays):
        values = self._opened().run(arrays, train=bool(fields.get("train")))
        wanted = fields.get("taps")
        return {}, {name: value for name, value in values.items() if wanted is None or name in wanted}

    def gradient(self, fields, arrays):
        seeds = {name[2:]: value for name, value in arrays.items() if name.startswith("d:")}
        total, parts, tensors = self._opened().gradient(arrays, seeds, fields.get("loss"), train=bool(fields.get("train")))
        return {"loss": {"total": number(total), "parts": {n: number(v) for n, v in parts.items()}}}, tensors

    def _opened(self):
        if self.model is None:
            raise Refused("unusable", 'no model is open, "describe" comes first')
        return self.model


torch.manual_seed(1)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)  # sums in one order: the same bits each time
RUNNER = Runner()
answer_calls({name: getattr(RUNNER, name) for name in ("version", "describe", "run", "gradient")}, CHANNEL)
os._exit(0)  # what the library tidies up at its end takes seconds

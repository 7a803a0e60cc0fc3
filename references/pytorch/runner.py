"""A reference for difftest that runs PyTorch models: references/PROTOCOL.md.

The original is `file.py:function` or `package.module:function`: a function that returns a torch.nn.Module, and may take the
weights that are sent, arrays by name; or a pickled module (.pt, .pth; only with --trust). Its attribute `difftest_inputs` tells the inputs by name, as example
tensors or shapes: {"image": [1, 3, 224, 224]}; without it the call's own shapes are taken. Weights are .safetensors or a state dict.

    difftest references check "python references/pytorch/runner.py" --original model.py:build --weights model.safetensors
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "python")]

from difftest_tap import Channel  # noqa: E402
from reference_runner import ReferenceRunner, answer_missing  # noqa: E402

CHANNEL = Channel()  # before anything is loaded that may print

try:
    import torch
except ImportError:
    answer_missing("torch", "pytorch", CHANNEL)

from load import load_weights, open_model  # noqa: E402
from traced_model import TracedModel  # noqa: E402


def open_original(fields, arrays):
    trust = bool(fields.get("trust"))
    module, rest = open_model(fields["original"], trust, arrays)
    load_weights(module.eval(), fields.get("weights"), rest, trust)
    return TracedModel(module, fields)


torch.manual_seed(1)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)  # sums in one order: the same bits each time
FACTS = {
    "name": "pytorch",
    "version": torch.__version__,
    "build": f"Python {sys.version.split()[0]}, {torch.get_num_threads()} thread",
}
ReferenceRunner(FACTS, open_original).serve(CHANNEL)

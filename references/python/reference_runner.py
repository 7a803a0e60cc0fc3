"""What the runners of Python libraries share: the calls of a reference (references/PROTOCOL.md) on one opened model.

A model has ``describe()``, ``run(arrays, train, keep_state)`` → values by tap, and ``gradient(arrays, seeds, loss, train)`` → total, parts,
tensors.
"""

import os
import sys

from difftest_tap import Refused, answer_calls, number

CALLS = ("version", "describe", "run", "gradient")


def answer_missing(name, folder, channel):
    """Answers until the input ends that a library is not installed, and ends."""
    reason = f"{name} is not installed in {sys.executable}; run scripts/install-references.sh, or pip install -r references/{folder}/requirements.txt"

    def missing(_fields, _arrays):
        raise Refused("missing", reason)

    answer_calls({"version": missing}, channel)
    sys.exit(0)


class ReferenceRunner:
    """The calls, on the original that ``describe`` has opened last."""

    def __init__(self, facts, open_model):
        """``facts``: name, version, build. ``open_model(fields, arrays)``: the model of a call of ``describe``."""
        self._facts = facts
        self._open_model = open_model
        self._model = None

    def version(self, _fields, _arrays):
        return {**self._facts, "role": "reference", "calls": list(CALLS)}, {}

    def describe(self, fields, arrays):
        self._model = None
        self._model = self._open_model(fields, arrays)
        return self._model.describe(), {}

    def run(self, fields, arrays):
        values = self._opened().run(arrays, train=bool(fields.get("train")), keep_state=fields.get("state") == "keep")
        wanted = fields.get("taps")
        return {}, {name: value for name, value in values.items() if wanted is None or name in wanted}

    def gradient(self, fields, arrays):
        seeds = {name[2:]: value for name, value in arrays.items() if name.startswith("d:")}
        total, parts, tensors = self._opened().gradient(arrays, seeds, fields.get("loss"), train=bool(fields.get("train")))
        return {"loss": {"total": number(total), "parts": {n: number(v) for n, v in parts.items()}}}, tensors

    def serve(self, channel):
        """Answers until the input ends, and ends."""
        answer_calls({name: getattr(self, name) for name in CALLS}, channel)
        os._exit(0)  # what the libraries tidy up at their end takes seconds

    def _opened(self):
        if self._model is None:
            raise Refused("unusable", 'no model is open, "describe" comes first')
        return self._model


def check_seeds(values, seeds):
    """Refuses gradients ``d:<tap>`` to go back from that do not fit the values of the taps."""
    if not seeds:
        raise Refused("unusable", "neither truth nor a gradient d:<tap> to go back from is given")
    for name, seed in seeds.items():
        if name not in values:
            raise Refused("unusable", f"there is no tap {name}")
        if list(values[name].shape) != list(seed.shape):
            raise Refused("unusable", f"d:{name} has shape {list(seed.shape)}, the tap has {list(values[name].shape)}")

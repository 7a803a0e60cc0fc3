"""A reference for difftest that runs Keras models (.keras, .h5, .json, SavedModel) in Keras itself: references/PROTOCOL.md.

    difftest record --reference keras --original model.keras --out goldens/mine
"""

import os
import sys
from pathlib import Path

# Sums in one order, the same bits each time; a message a day is enough.
os.environ.update(TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "python")]

from difftest_tap import Channel, Refused, answer_calls, number  # noqa: E402

CHANNEL = Channel()  # before TensorFlow is loaded: it prints

try:
    import keras
    import numpy as np
    import tensorflow as tf
except ImportError as error:
    REASON = f"{error.name} is not installed in {sys.executable}; run scripts/install-references.sh, or pip install -r references/keras/requirements.txt"

    def missing(_fields, _arrays):
        raise Refused("missing", REASON)

    answer_calls({"version": missing}, CHANNEL)
    sys.exit(0)

from load import open_original  # noqa: E402


class Runner:
    """The calls, on the original that `describe` has opened last."""

    def __init__(self):
        self.model = None

    def version(self, _fields, _arrays):
        return {
            "name": "keras",
            "version": keras.__version__,
            "build": f"TensorFlow {tf.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}",
            "role": "reference",
            "calls": ["version", "describe", "run", "gradient"],
        }, {}

    def describe(self, fields, arrays):
        self.model = None
        self.model = open_original(fields, arrays)
        return self.model.describe(), {}

    def run(self, fields, arrays):
        values = self._opened().run(arrays, train=bool(fields.get("train")), keep_state=fields.get("state") == "keep")
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


tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(1)
RUNNER = Runner()
answer_calls({name: getattr(RUNNER, name) for name in ("version", "describe", "run", "gradient")}, CHANNEL)
os._exit(0)  # what the library tidies up at its end takes seconds

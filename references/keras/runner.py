"""A reference for difftest that runs Keras models (.keras, .h5, .json, SavedModel) in Keras itself: references/PROTOCOL.md.

    difftest record --reference keras --original model.keras --out goldens/mine
"""

import os
import sys
from pathlib import Path

# Sums in one order, the same bits each time; a message a day is enough.
os.environ.update(TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "python")]

from difftest_tap import Channel  # noqa: E402
from reference_runner import ReferenceRunner, answer_missing  # noqa: E402

CHANNEL = Channel()  # before TensorFlow is loaded: it prints

try:
    import keras
    import numpy as np
    import tensorflow as tf
except ImportError as error:
    answer_missing(error.name, "keras", CHANNEL)

from load import open_original  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(1)
FACTS = {
    "name": "keras",
    "version": keras.__version__,
    "build": f"TensorFlow {tf.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}",
}
ReferenceRunner(FACTS, open_original).serve(CHANNEL)

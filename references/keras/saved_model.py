"""A SavedModel: its serving function with every float result inside as a tap."""

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from difftest_tap import Refused
from keras_model import as_float32, dtype_of, shape_of, weighted

SIGNATURE = "serving_default"
#: Operations that only hand on what another tap shows.
UNINTERESTING = ("Placeholder", "Const", "Identity", "NoOp", "StopGradient")


class SavedModel:
    def __init__(self, path, fields):
        try:
            loaded = tf.saved_model.load(str(path))
        except Exception as error:
            raise Refused("unusable", f"{path}: TensorFlow cannot read it: {type(error).__name__}: {error}") from error
        if SIGNATURE not in loaded.signatures:
            raise Refused("unusable", f"{path}: has no signature {SIGNATURE}, only {', '.join(loaded.signatures) or 'none'}")
        signature = loaded.signatures[SIGNATURE]
        # One graph without calls of functions, so that what lies inside can be fetched.
        frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False)
        self.keep = loaded
        self.weights = [v for v in getattr(loaded, "variables", signature.variables)]
        self.inputs = {name: one for name, one in zip(sorted(signature.structured_input_signature[1]), frozen.inputs)}
        self.shapes = {name: shape_of(name, one, fields) for name, one in self.inputs.items()}
        tensors = [t for op in frozen.graph.get_operations() if op.type not in UNINTERESTING for t in op.outputs]
        self.taps = {tap_id(t): t for t in tensors if t.dtype.is_floating}
        self.outputs = [tap_id(source_of(one)) for one in frozen.outputs]
        self.call = frozen.prune(list(self.inputs.values()), list(self.taps.values()))

    def describe(self):
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()}
        values = self.run(zeros, train=False, keep_state=False)
        return {
            "inputs": [
                {"name": name, "dtype": dtype_of(one), "shape": self.shapes[name]} for name, one in self.inputs.items()
            ],
            "taps": [
                {"id": name, "layer": at, "kind": tensor.op.type, "shape": list(values[name].shape)}
                for at, (name, tensor) in enumerate(self.taps.items())
            ],
            "outputs": [name for name in self.outputs if name in self.taps],
            "weights": [{"name": v.name.split(":")[0], "shape": list(v.shape)} for v in self.weights],
            "layout": "nhwc",
        }

    def run(self, arrays, train, keep_state):
        if train:
            raise Refused("unsupported", "a SavedModel has no training pass")
        return {name: as_float32(value) for name, value in self._values(self._feeds(arrays)).items()}

    def gradient(self, arrays, seeds, loss, train):
        """Gradients with respect to the inputs: the weights of a SavedModel's function are constants here."""
        if train or "truth" in arrays:
            raise Refused("unsupported", "a SavedModel has no training pass and no loss; give the gradients d:<tap> to go back from")
        feeds = self._feeds(arrays)
        with tf.GradientTape() as tape:
            tape.watch([one for one in feeds if one.dtype.is_floating])
            values = self._values(feeds)
            parts = weighted(values, seeds)
            total = tf.add_n(list(parts.values()))
        found = tape.gradient(total, feeds)
        gradients = {f"d:{name}": as_float32(g) for name, g in zip(self.inputs, found) if g is not None}
        return total, parts, {**{name: as_float32(value) for name, value in values.items()}, **gradients}

    def _values(self, feeds):
        return dict(zip(self.taps, self.call(*feeds)))

    def _feeds(self, arrays):
        for name, shape in self.shapes.items():
            if name not in arrays or list(arrays[name].shape) != shape:
                raise Refused("unusable", f"the input {name} is missing or of another shape, expected shape {shape}")
        return [tf.cast(tf.constant(arrays[name]), one.dtype) for name, one in self.inputs.items()]


def source_of(tensor):
    """The tap behind results that only hand it on."""
    while tensor.op.type in UNINTERESTING and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return tensor


def tap_id(tensor):
    return tensor.op.name if tensor.value_index == 0 else f"{tensor.op.name}#out{tensor.value_index}"

"""A functional or Sequential Keras model with its taps."""

import keras
import numpy as np
import tensorflow as tf

from difftest_tap import Refused
from reference_runner import check_seeds
from trace import graph_of, id_of_node, recorded


class KerasModel:
    def __init__(self, model, fields):
        graph = graph_of(model)
        if graph is None:
            raise Refused("unsupported", f"{type(model).__name__} is no functional or Sequential model with the shapes of its inputs: build it from keras.Input and save it again")
        self.model = model
        self.graph = graph
        self.inputs = {one._keras_history.operation.name: one for one in graph.inputs}
        self.shapes = {name: shape_of(name, one, fields) for name, one in self.inputs.items()}
        self.buffers = [v for v in model.variables if not v.trainable]
        self.initial = [v.numpy() for v in self.buffers]

    def describe(self):
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()}
        trace = self._forward(self._feeds(zeros), train=False)
        self._restore()
        taps = [
            {"id": name, "layer": at, "kind": trace.kinds[name], "shape": list(value.shape)}
            for at, (name, value) in enumerate(trace.values.items())
        ]
        return {
            "inputs": [
                {"name": name, "dtype": dtype_of(one), "shape": self.shapes[name]} for name, one in self.inputs.items()
            ],
            "taps": taps,
            "outputs": self._outputs(),
            "weights": [{"name": v.path, "shape": list(v.shape)} for v in self.model.weights],
            "layout": "nhwc",
        }

    def run(self, arrays, train, keep_state):
        if not keep_state:
            self._restore()
        trace = self._forward(self._feeds(arrays), train)
        values = {name: as_float32(value) for name, value in trace.values.items()}
        if train:  # statistics of a training pass are told, not kept
            values.update(self._statistics())
            self._restore()
        return values

    def gradient(self, arrays, seeds, loss, train):
        """Gradients of Σ d:<tap> · tap, or of a loss of Keras between `truth` and the model's first output."""
        self._restore()
        feeds = self._feeds(arrays)
        with tf.GradientTape() as tape:
            tape.watch([one for one in feeds if one.dtype.is_floating])
            values = self._forward(feeds, train).values
            parts = self._loss(values, arrays.get("truth"), loss) if "truth" in arrays else weighted(values, seeds)
            total = tf.add_n([tf.cast(part, tf.float32) for part in parts.values()])
        variables = self.model.trainable_variables
        found = tape.gradient(total, [*feeds, *(v.value for v in variables)])
        names = [*self.inputs, *(v.path for v in variables)]
        gradients = {f"d:{name}": as_float32(g) for name, g in zip(names, found) if g is not None}
        tensors = {**{name: as_float32(value) for name, value in values.items()}, **gradients, **self._statistics()}
        self._restore()
        return total, parts, tensors

    def _loss(self, values, truth, name):
        if name is None:
            raise Refused("unusable", "truth is given without the name of a loss of Keras, such as \"loss\":\"mean_squared_error\"")
        try:
            loss = keras.losses.get(name)
        except ValueError as error:
            raise Refused("unusable", f"Keras has no loss {name!r}") from error
        return {self._outputs()[0]: tf.reduce_mean(loss(tf.constant(truth), values[self._outputs()[0]]))}

    def _forward(self, feeds, train):
        structure = getattr(self.graph, "_inputs_struct", None)
        given = feeds[0] if structure is None or len(feeds) == 1 and not isinstance(structure, dict) else keras.tree.pack_sequence_as(structure, feeds)
        with recorded() as trace:
            self.model(given, training=train)
        return trace

    def _feeds(self, arrays):
        for name, shape in self.shapes.items():
            found = list(arrays[name].shape) if name in arrays else None
            if found != shape:
                raise Refused("unusable", f"the input {name} has {'nothing' if found is None else f'shape {found}'}, expected shape {shape}")
        return [tf.cast(tf.constant(arrays[name]), one.dtype) for name, one in self.inputs.items()]

    def _outputs(self):
        nodes = [n for depth in self.graph._nodes_by_depth.values() for n in depth]
        ids = []
        for one in self.graph.outputs:
            operation, at, result = one._keras_history
            node = operation._inbound_nodes[at]
            suffix = f"#out{result}" if len(node.output_tensors) > 1 else ""
            ids.append(id_of_node(node, nodes) + suffix)
        return list(dict.fromkeys(ids))

    def _statistics(self):
        """Variables that are not trained and that the pass has changed."""
        changed = [(v, old) for v, old in zip(self.buffers, self.initial) if not np.array_equal(v.numpy(), old)]
        return {f"s:{v.path}": as_float32(v) for v, _ in changed}

    def _restore(self):
        for variable, value in zip(self.buffers, self.initial):
            variable.assign(value)
        for layer in self.model._flatten_layers():
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()


def shape_of(name, one, fields):
    """An input's whole shape: as the call says, else the model's with the call's batch."""
    given = (fields.get("shapes") or {}).get(name)
    own = list(one.shape)
    if given is None:
        given = [int(fields.get("batch") or 1) if at == 0 and size is None else size for at, size in enumerate(own)]
    if len(given) != len(own) or any(size not in (None, wanted) for size, wanted in zip(own, given)):
        raise Refused("unusable", f"the input {name} is to have shape {given}, the model's is {own}")
    if None in given:
        raise Refused("unusable", f"the model leaves open the shape {own} of its input {name}: add --shape")
    return given


def dtype_of(one):
    kind = tf.as_dtype(one.dtype)
    return "float32" if kind.is_floating else "bool" if kind.is_bool else "int32"


def weighted(values, seeds):
    check_seeds(values, seeds)
    return {name: tf.reduce_sum(tf.cast(values[name], tf.float32) * tf.constant(seed)) for name, seed in seeds.items()}


def as_float32(value):
    return np.asarray(tf.cast(tf.convert_to_tensor(value), tf.float32))

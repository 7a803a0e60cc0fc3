"""What every layer of a Keras model gives while the model is called.

Ids are the layers' names; `#callN` follows where a layer is called several times, `#outN` where it gives several results,
and layers of a nested model stand behind its id and a slash.
"""

from contextlib import contextmanager

import keras

_call = keras.Operation.__call__


def graph_of(model):
    """The graph of layers of a functional or Sequential model, or None."""
    graph = getattr(model, "_functional", None) or model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def ids_of_calls(graph):
    """Ids of each operation's calls, in the order in which Keras makes them."""
    depths = sorted(graph._nodes_by_depth, reverse=True)
    nodes = [n for depth in depths for n in graph._nodes_by_depth[depth] if n.operation and not n.is_input]
    ids = {}
    for node in nodes:
        ids.setdefault(id(node.operation), []).append(id_of_node(node, nodes))
    return ids


def id_of_node(node, nodes):
    """A call is counted as in the file: among those of its layer that belong to this model."""
    calls = [one for one in node.operation._inbound_nodes if any(one is other for other in nodes)]
    if len(calls) == 1:
        return node.operation.name
    return f"{node.operation.name}#call{next(at for at, one in enumerate(calls) if one is node)}"


class Trace:
    """Values by tap, in the order of computation; `kinds` are the classes of their layers."""

    def __init__(self):
        self.values = {}
        self.kinds = {}
        # For each operation under way: prefix of the ids inside it and the calls expected there, or None where nothing inside is a tap.
        self._frames = []

    def call(self, operation, args, kwargs):
        """Calls an operation and notes what it gives, if it is a layer of the model."""
        name = self._name(operation)
        graph = graph_of(operation)
        inside = name is not None and graph is not None
        prefix = "" if not self._frames else f"{name}/"
        self._frames.append((prefix, ids_of_calls(graph)) if inside else None)
        try:
            result = _call(operation, *args, **kwargs)
        finally:
            self._frames.pop()
        if name and self._frames:
            self._note(name, operation, result)
        return result

    def _name(self, operation):
        """The id of this call; "" for the model itself, None for what is no layer of it."""
        if not self._frames:
            return ""
        frame = self._frames[-1]
        waiting = frame[1].get(id(operation)) if frame else None
        return frame[0] + waiting.pop(0) if waiting else None

    def _note(self, name, operation, result):
        results = keras.tree.flatten(result)
        for at, value in enumerate(results):
            tap = name if len(results) == 1 else f"{name}#out{at}"
            self.values[tap] = value
            self.kinds[tap] = type(operation).__name__


@contextmanager
def recorded():
    """A trace of the model that is called inside."""
    trace = Trace()

    def call(operation, *args, **kwargs):
        return trace.call(operation, args, kwargs)

    keras.Operation.__call__ = call
    try:
        yield trace
    finally:
        keras.Operation.__call__ = _call

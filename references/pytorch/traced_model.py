"""A PyTorch module with its taps: what each submodule returns, by its name.

`#callN` follows where a submodule is called several times, `#outN` where it returns several tensors; `output` is the module's own result.
"""

import inspect

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from difftest_tap import Refused
from reference_runner import check_seeds


class TracedModel:
    def __init__(self, module, fields):
        self.module = module
        self.inputs = inputs_of(module, fields)
        self.initial = {name: value.clone() for name, value in module.named_buffers()}

    def describe(self):
        zeros = {name: np.zeros(shape, np.float32) for name, (shape, _) in self.inputs.items()}
        values, kinds = self._values(zeros, train=False)
        return {
            "inputs": [
                {"name": name, "dtype": protocol_dtype(dtype), "shape": shape} for name, (shape, dtype) in self.inputs.items()
            ],
            "taps": [
                {"id": name, "layer": at, "kind": kinds[name], "shape": list(value.shape)}
                for at, (name, value) in enumerate(values.items())
            ],
            "outputs": [name for name in values if name.split("#")[0] == "output"],
            "weights": [{"name": n, "shape": list(p.shape)} for n, p in self.module.state_dict().items()],
            "layout": "nchw",
        }

    def run(self, arrays, train, keep_state=False):  # noqa: ARG002 (a module keeps nothing between calls)
        values, _ = self._values(arrays, train)
        result = {name: as_float32(value) for name, value in values.items()}
        if train:
            result.update(self._statistics())
            self._restore()
        return result

    def gradient(self, arrays, seeds, loss, train):
        """Gradients of Σ d:<tap> · tap, or of a loss of torch.nn.functional between the model's first output and `truth`."""
        given = self._feeds(arrays)
        watched = [one.requires_grad_() if one.is_floating_point() else one for one in given]
        values, _ = self._forward(watched, train)
        parts = loss_of(values, arrays["truth"], loss) if "truth" in arrays else weighted(values, seeds)
        total = sum(parts.values())
        wanted = {**dict(zip(self.inputs, watched)), **dict(self.module.named_parameters())}
        wanted = {name: one for name, one in wanted.items() if one.requires_grad}
        found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
        gradients = {f"d:{name}": as_float32(g) for name, g in zip(wanted, found) if g is not None}
        tensors = {**{name: as_float32(value) for name, value in values.items()}, **gradients, **self._statistics()}
        self._restore()
        return total.detach(), {name: part.detach() for name, part in parts.items()}, tensors

    def _values(self, arrays, train):
        with torch.no_grad():
            return self._forward(self._feeds(arrays), train)

    def _forward(self, feeds, train):
        """Values and classes by tap, in the order of computation."""
        calls, handles = [], []
        for name, module in self.module.named_modules():
            if name:
                handles.append(module.register_forward_hook(noting(calls, name)))
        try:
            self.module.train(train)
            result = self.module(*feeds)
        finally:
            self.module.eval()
            for handle in handles:
                handle.remove()
        calls.append(("output", type(self.module).__name__, tensors_in(result)))
        return named(calls)

    def _feeds(self, arrays):
        feeds = []
        for name, (shape, dtype) in self.inputs.items():
            found = list(arrays[name].shape) if name in arrays else None
            if found != shape:
                raise Refused("unusable", f"the input {name} has {'nothing' if found is None else f'shape {found}'}, expected shape {shape}")
            feeds.append(torch.from_numpy(arrays[name]).to(dtype))
        return feeds

    def _statistics(self):
        """Buffers that a training pass has changed."""
        changed = [(n, v) for n, v in self.module.named_buffers() if not torch.equal(v, self.initial[n])]
        return {f"s:{name}": as_float32(value) for name, value in changed}

    def _restore(self):
        with torch.no_grad():
            for name, value in self.module.named_buffers():
                value.copy_(self.initial[name])


def inputs_of(module, fields):
    """Shape and dtype of each input by name: as the module says, in the shapes of the call where it has some."""
    shapes = fields.get("shapes") or {}
    told = getattr(module, "difftest_inputs", None)
    if told is None:
        names = list(inspect.signature(module.forward).parameters)
        told = {name: shapes[name] for name in names if name in shapes}
    if not told:
        raise Refused("unusable", "the module does not say its inputs: give it an attribute difftest_inputs, such as {\"image\": [1, 3, 224, 224]}")
    inputs = {}
    for name, one in told.items():
        shape, dtype = (list(one.shape), one.dtype) if isinstance(one, torch.Tensor) else (list(one), torch.float32)
        batch = fields.get("batch") or shape[0]
        inputs[name] = (list(shapes.get(name) or [batch, *shape[1:]]), dtype)
    return inputs


def noting(calls, name):
    """A hook that notes what a module returned: copies, since the next module may work in place."""

    def hook(module, _given, result):
        calls.append((name, type(module).__name__, [one.clone() for one in tensors_in(result)]))

    return hook


def tensors_in(result):
    return [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]


def named(calls):
    """Notes of calls as values and classes by tap."""
    counts, seen, values, kinds = {}, {}, {}, {}
    for name, _, _ in calls:
        counts[name] = counts.get(name, 0) + 1
    for name, kind, tensors in calls:
        at = seen.get(name, 0)
        seen[name] = at + 1
        call = name if counts[name] == 1 else f"{name}#call{at}"
        for k, value in enumerate(tensors):
            tap = call if len(tensors) == 1 else f"{call}#out{k}"
            values[tap], kinds[tap] = value, kind
    return values, kinds


def loss_of(values, truth, name):
    loss = getattr(torch.nn.functional, str(name), None)
    if name is None or loss is None or not str(name).endswith(("_loss", "cross_entropy", "kl_div", "_with_logits")):
        raise Refused("unusable", f"truth is given with the loss {name!r}, expected one of torch.nn.functional such as \"mse_loss\"")
    output = next(tap for tap in values if tap.split("#")[0] == "output")
    return {output: loss(values[output], torch.from_numpy(truth))}


def weighted(values, seeds):
    check_seeds(values, seeds)
    return {name: (values[name] * torch.from_numpy(seed)).sum() for name, seed in seeds.items()}


def protocol_dtype(dtype):
    return "float32" if dtype.is_floating_point else "bool" if dtype == torch.bool else "int32"


def as_float32(value):
    return value.detach().to(torch.float32).numpy()

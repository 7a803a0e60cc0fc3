"""Opens a PyTorch model and its weights. A function that the user names is run; code in a file of weights only where it is trusted."""

import importlib
import importlib.util
import inspect
import pickle
import sys
from pathlib import Path

import torch

from difftest_tap import Refused


def open_model(original, trust, arrays):
    """The module that `file.py:function` or `package.module:function` returns, or a pickled one; and the arrays that are left to load."""
    if Path(original).is_file():
        return unpickled_model(original, trust), arrays
    place, _, function = original.rpartition(":")
    if not place:
        raise Refused("unusable", f"{original}: there is no such file, and it is no file.py:function")
    build = getattr(import_code(place), function, None)
    if build is None:
        raise Refused("unusable", f"{place}: has no function {function}")
    takes_weights = bool(inspect.signature(build).parameters)
    model = build({name: torch.from_numpy(value) for name, value in arrays.items()}) if takes_weights else build()
    if not isinstance(model, torch.nn.Module):
        raise Refused("unusable", f"{original}: returns {type(model).__name__}, expected a torch.nn.Module")
    return model, {} if takes_weights else arrays


def import_code(place):
    path = Path(place)
    if path.suffix != ".py":
        # A command's paths are made absolute: what stands before a dotted module is the folder it is found from.
        sys.path.insert(0, str(path.parent))
        try:
            return importlib.import_module(path.name)
        except ImportError as error:
            raise Refused("unusable", f"{place}: cannot be imported: {error}") from error
    if not path.is_file():
        raise Refused("unusable", f"{place}: there is no such file")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("difftest_original", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Refused("unusable", f"{place}: cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def unpickled_model(path, trust):
    with open(path, "rb") as file:
        head = file.read(2)
    if head != b"PK" and head[:1] != b"\x80":
        raise Refused("unusable", f"{path}: is no PyTorch model, expected file.py:function, package.module:function or a file of torch.save")
    if not trust:
        raise Refused("untrusted", f"{path}: is read as a pickle of a whole model, which runs code of the file; name a function instead (model.py:build), or add --trust if you trust it")
    sys.path.insert(0, str(Path(path).resolve().parent))  # its classes may lie beside it
    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise Refused("unusable", f"{path}: PyTorch cannot read it: {type(error).__name__}: {error}") from error
    if not isinstance(model, torch.nn.Module):
        raise Refused("unusable", f"{path}: holds {type(model).__name__}, expected a torch.nn.Module; weights belong to --weights, with model.py:build as the original")
    return model


def load_weights(model, path, arrays, trust):
    """Weights of a file, or those sent with the call by their names in the state dict."""
    if path:
        state = read_state(path, trust)
    elif arrays:
        state = {name: torch.from_numpy(value) for name, value in arrays.items()}
    else:
        return
    own = model.state_dict()
    wrong = [
        *(f"{name} is missing" for name in own if name not in state and not name.endswith("num_batches_tracked")),
        *(f"{name} is not the model's" for name in state if name not in own),
        *(f"{name} has shape {list(state[name].shape)}, the model's {list(own[name].shape)}" for name in own if name in state and state[name].shape != own[name].shape),
    ]
    if wrong:
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        hint = "" if path else "; a function that takes them, build(weights), may place them itself"
        raise Refused("unusable", f"{path or 'the weights sent'}: {'; '.join(wrong[:3])}{rest}{hint}")
    model.load_state_dict(state, strict=False)


def read_state(path, trust):
    """Tensors by name."""
    if not Path(path).is_file():
        raise Refused("unusable", f"{path}: there is no such file")
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:
            raise Refused("unusable", f"{path}: is no safetensors file: {error}") from error
    state = read_pickle(path, trust)
    state = state.state_dict() if isinstance(state, torch.nn.Module) else state
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise Refused("unusable", f"{path}: is no state dict (tensors by name)")
    return state


def read_pickle(path, trust):
    with open(path, "rb") as file:
        head = file.read(2)
    if head != b"PK" and head[:1] != b"\x80":
        raise Refused("unusable", f"{path}: is neither a safetensors file nor a file of torch.save")
    try:
        # Only tensors and plain containers: nothing in the pickle is run.
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if not isinstance(error, pickle.UnpicklingError):
            raise Refused("unusable", f"{path}: PyTorch cannot read it: {type(error).__name__}: {error}") from error
        if not trust:
            raise Refused("untrusted", f"{path}: is a pickle of more than tensors, and reading it runs code of the file; save its state dict as safetensors, or add --trust if you trust it") from error
    return torch.load(path, map_location="cpu", weights_only=False)

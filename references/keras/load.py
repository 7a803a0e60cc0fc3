"""Opens what a user calls a Keras model. Code in it runs only where it is trusted."""

import json
import sys
import zipfile
from pathlib import Path

import h5py
import keras

from difftest_tap import Refused
from keras_model import KerasModel
from saved_model import SavedModel

#: Largest config.json that is looked at; the largest of keras.applications has 0.5 MB.
MAX_CONFIG_BYTES = 64 << 20


def open_original(fields, arrays):
    """The model that a "describe" speaks of; its weights are the file's, or those sent with the call."""
    path, trust = Path(fields["original"]), bool(fields.get("trust"))
    if not path.exists():
        raise Refused("unusable", f"{path}: there is no such file")
    if path.is_dir():
        if not trust:
            raise Refused("untrusted", f"{path}: a SavedModel is a program of TensorFlow operations, which may read and write files; add --trust if you trust it")
        return SavedModel(path, fields)
    config = config_of(path)
    code = code_in(config)
    if code and not trust:
        raise Refused("untrusted", f"{path}: holds {', '.join(code)}, which is code and would run; add --trust if you trust it")
    if trust:  # classes of the model's own may lie beside it
        sys.path.insert(0, str(path.resolve().parent))
    return KerasModel(load(path, config, fields.get("weights"), arrays, trust), fields)


def load(path, config, weights, arrays, trust):
    try:
        if path.suffix == ".json":
            model = keras.saving.deserialize_keras_object(config, safe_mode=not trust)
        else:
            model = keras.saving.load_model(path, compile=False, safe_mode=not trust)
        if weights and Path(weights).resolve() != path.resolve():
            model.load_weights(weights)
    except Exception as error:
        raise Refused("unusable", f"{weights or path}: Keras cannot read it: {type(error).__name__}: {error}") from error
    if arrays:
        set_weights(model, arrays)
    return model


def set_weights(model, arrays):
    """Weights sent with the call: by their names' layers, in the order of each layer's own weights."""
    if len(arrays) != len(model.weights):
        raise Refused("unusable", f"{len(arrays)} weights were sent, the model has {len(model.weights)}")
    # model.weights goes by depth, the model's file by the order in which layers were made: branches stand elsewhere.
    sent = {}
    for name, value in arrays.items():
        sent.setdefault(name.split("/")[0], []).append((name, value))
    layers = [variable.path.split("/")[0] for variable in model.weights]
    if {layer: layers.count(layer) for layer in layers} == {layer: len(own) for layer, own in sent.items()}:
        pairs = [(sent[layer].pop(0), variable) for layer, variable in zip(layers, model.weights)]
    else:
        pairs = zip(arrays.items(), model.weights)
    for (name, value), variable in pairs:
        if tuple(value.shape) != tuple(variable.shape):
            raise Refused("unusable", f"the weight {name} has shape {list(value.shape)}, the model's {variable.path} has {list(variable.shape)}")
        variable.assign(value)


def config_of(path):
    """The model's configuration, read without loading the model."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
                return parse(path, file.read(MAX_CONFIG_BYTES + 1))
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                text = file.attrs.get("model_config")
            if text is None:
                raise Refused("unusable", f"{path}: holds weights without a model; give the model's config.json as the original and this file as the weights")
            return parse(path, text)
        return parse(path, path.read_bytes()[: MAX_CONFIG_BYTES + 1])
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise Refused("unusable", f"{path}: is no Keras model: {error}") from error


def parse(path, text):
    if len(text) > MAX_CONFIG_BYTES:
        raise Refused("unusable", f"{path}: its configuration has more than {MAX_CONFIG_BYTES} bytes")
    return json.loads(text)


def code_in(config):
    """What in a configuration is code of the file, or of modules that it names: each once, sorted."""
    found, waiting = set(), [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            found.add(code_of(value))
    return sorted(found - {None})


def code_of(one):
    """What a serialized object runs, or None for Keras' own classes."""
    name, module, registered = (str(one.get(key) or "") for key in ("class_name", "module", "registered_name"))
    if name in ("Lambda", "__lambda__"):
        return "a Lambda layer" if name == "Lambda" else "a lambda function"
    if not name:
        return None
    if name == "function":
        return f"the function {module}.{one.get('config')}"
    if ">" in name or ">" in registered:
        return f"the class {registered if '>' in registered else name}"
    if module and module not in ("builtins", "keras") and not module.startswith("keras."):
        return f"the class {module}.{name}"
    return None

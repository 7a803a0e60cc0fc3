"""Speaks difftest's runner protocol (references/PROTOCOL.md) for ports and references written in Python.

A port is a class with three attributes and two methods::

    class Port:
        name, layout, original = "my port", "nhwc", "yolov4-tiny"
        def build(self, take, network): self.kernel = take("conv_0/kernel", "hwio")
        def forward(self, inputs, tap): x = tap("conv_0", conv(inputs["input"], self.kernel)); return [x]

    serve(Port())

``tap`` returns what the port must go on with: in isolated mode that is the reference's value. Only numpy is needed.
A method ``variables``, if there is one, returns the port's weights by the original's names, in the layout of the original:
then they are compared with its file bit for bit. Copy this file next to your port, or put its folder on PYTHONPATH.
"""

import json
import os
import re
import sys
import traceback

import numpy as np

PROTOCOL = 1
MAX_LINE_BYTES = 16 << 20
TRAILER = b"end\n"
DTYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "uint8": "|u1", "bool": "|b1"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


class Refused(Exception):
    """An error for the user. ``code`` is one of unusable, unsupported, untrusted, missing, failed."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Channel:
    """Messages over standard input and output.

    Both are taken away from everything else: what is printed goes to standard error, what is read finds nothing.
    Make it before a library is imported that may print.
    """

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
        self._in = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._id = 0

    def read(self):
        """The next message as (fields, arrays by name), or None at the end of the input."""
        line = self._in.readline(MAX_LINE_BYTES + 1)
        if not line:
            return None
        fields = json.loads(line)
        if fields.get("difftest") != PROTOCOL:
            raise SystemExit(f"speaks version {fields.get('difftest')} of the protocol, expected {PROTOCOL}")
        arrays = {one["name"]: self._array(one) for one in fields.get("tensors", [])}
        if self._in.read(len(TRAILER)) != TRAILER:
            raise SystemExit('"end" is missing after the tensors')
        self._id = fields["id"]
        return fields, arrays

    def _array(self, announced):
        dtype, shape = np.dtype(DTYPES[announced["dtype"]]), announced["shape"]
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = self._in.read(size)
        if len(data) != size:
            raise SystemExit("the input ended within a message")
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def write(self, fields, arrays=None):
        """A message with the id of the call under way."""
        arrays = {name: _plain(value) for name, value in (arrays or {}).items()}
        listed = [{"name": n, "dtype": NAMES[a.dtype], "shape": list(a.shape)} for n, a in arrays.items()]
        message = {"difftest": PROTOCOL, "id": self._id, **fields, **({"tensors": listed} if listed else {})}
        self._out.write(json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        for array in arrays.values():
            self._out.write(array.tobytes())
        self._out.write(TRAILER)
        self._out.flush()

    def ask(self, what, name, arrays=None, **fields):
        """Asks difftest during a call; returns the value it replies, or None."""
        self.write({"ask": what, "name": name, **fields}, arrays)
        answer = self.read()
        if answer is None:
            raise SystemExit(0)
        reply, replied = answer
        if reply.get("ok") is False:
            raise Refused("failed", reply["error"]["message"])
        return replied.get("value")


def _plain(value):
    """A C-ordered little-endian array of a type that the protocol knows; other types become float32."""
    array = np.asarray(value)
    if array.dtype.newbyteorder("<") not in NAMES:
        array = array.astype("<f4")
    return np.require(array, dtype=array.dtype.newbyteorder("<"), requirements="C")


def number(value):
    """A number as the protocol writes it in JSON: those that are not finite are words."""
    value = float(value)
    if np.isnan(value):
        return "NaN"
    return value if np.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def answer_calls(calls, channel=None):
    """Answers calls until the input ends. ``calls``: name → function(fields, arrays) → (fields, arrays)."""
    channel = channel or Channel()
    while (message := channel.read()) is not None:
        fields, arrays = message
        try:
            channel.write(*_answer(calls, fields, arrays))
        except BrokenPipeError:  # difftest is gone: nobody waits for the answer
            os._exit(0)


def _answer(calls, fields, arrays):
    call = calls.get(fields.get("call"))
    try:
        if call is None:
            raise Refused("unsupported", f"the call {fields.get('call')!r} is not offered")
        answer, tensors = call(fields, arrays)
        return {"ok": True, **answer}, tensors
    except Refused as error:
        return _error(error.code, str(error)), {}
    except Exception as error:  # the reason goes to difftest, the stack to standard error
        traceback.print_exc()
        return _error("failed", f"{type(error).__name__}: {error}"), {}


def _error(code, message):
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)  # TensorFlow writes in bold
    return {"ok": False, "error": {"code": code, "message": " ".join(message.split())}}


def serve(port):
    """Answers difftest's calls for a port until the input ends."""
    channel = Channel()

    def take(name, layout=None):
        return channel.ask("take", name, **({"layout": layout} if layout else {}))

    def tap(name, value):
        array = np.asarray(value, dtype=np.float32)
        replied = channel.ask("tap", name, {"value": array})
        return array if replied is None else replied

    def version(_fields, _arrays):
        facts = {"name": port.name, "version": getattr(port, "version", "0"), "role": "port", "layout": port.layout}
        shows = {"original": port.original, "variables": hasattr(port, "variables")}
        return {**facts, **shows, "calls": ["version", "describe", "run"]}, {}

    def describe(fields, _arrays):
        port.build(take, fields.get("network", {}))
        variables = getattr(port, "variables", None)
        return {}, variables() if variables else {}

    def run(_fields, arrays):
        outputs = port.forward(arrays, tap) or []
        return {}, {f"output:{at}": value for at, value in enumerate(outputs)}

    answer_calls({"version": version, "describe": describe, "run": run}, channel)

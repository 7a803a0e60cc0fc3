"""Prints the fields of every ONNX message as JSON: message -> field -> [number, type, repeated]."""

import json

import onnx

found = {}


def visit(message):
    name = message.full_name.removeprefix("onnx.")
    found[name] = {
        field.name: [
            field.number,
            field.message_type.full_name.removeprefix("onnx.") if field.message_type else field.type,
            field.label == field.LABEL_REPEATED if hasattr(field, "label") else field.is_repeated,
        ]
        for field in message.fields
    }
    for nested in message.nested_types:
        visit(nested)


for message in onnx.onnx_ml_pb2.DESCRIPTOR.message_types_by_name.values():
    visit(message)
print(json.dumps(found))

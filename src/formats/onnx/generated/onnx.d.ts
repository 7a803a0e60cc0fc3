// Generated from onnx.proto by scripts/generate-onnx-schema.ts; do not edit.
import type { Reader, Writer } from "protobufjs/minimal.js";

interface Codec<T> {
  encode(message: T, writer?: Writer): Writer;
  decode(reader: Reader | Uint8Array, length?: number): T;
}

export interface ModelProto {
  ir_version?: number;
  producer_name?: string;
  producer_version?: string;
  domain?: string;
  model_version?: number;
  doc_string?: string;
  graph?: GraphProto;
  opset_import?: OperatorSetIdProto[];
  metadata_props?: StringStringEntryProto[];
  training_info?: TrainingInfoProto[];
  functions?: FunctionProto[];
  $unknowns?: Uint8Array[];
}

export interface GraphProto {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  doc_string?: string;
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  value_info?: ValueInfoProto[];
  quantization_annotation?: TensorAnnotation[];
  sparse_initializer?: SparseTensorProto[];
  metadata_props?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  op_type?: string;
  attribute?: AttributeProto[];
  doc_string?: string;
  domain?: string;
  overload?: string;
  metadata_props?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface AttributeProto {
  name?: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  doc_string?: string;
  tp?: TypeProto;
  type_protos?: TypeProto[];
  type?: number;
  ref_attr_name?: string;
  sparse_tensor?: SparseTensorProto;
  sparse_tensors?: SparseTensorProto[];
  $unknowns?: Uint8Array[];
}

export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
  doc_string?: string;
  metadata_props?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface TypeProto {
  tensor_type?: TypeProtoTensor;
  sequence_type?: TypeProtoSequence;
  map_type?: TypeProtoMap;
  sparse_tensor_type?: TypeProtoSparseTensor;
  optional_type?: TypeProtoOptional;
  denotation?: string;
  $unknowns?: Uint8Array[];
}

export interface TypeProtoTensor {
  elem_type?: number;
  shape?: TensorShapeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProtoSequence {
  elem_type?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProtoMap {
  key_type?: number;
  value_type?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProtoSparseTensor {
  elem_type?: number;
  shape?: TensorShapeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProtoOptional {
  elem_type?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TensorShapeProto {
  dim?: TensorShapeProtoDimension[];
  $unknowns?: Uint8Array[];
}

export interface TensorShapeProtoDimension {
  dim_value?: number;
  dim_param?: string;
  denotation?: string;
  $unknowns?: Uint8Array[];
}

export interface TensorProto {
  dims?: number[];
  data_type?: number;
  segment?: TensorProtoSegment;
  float_data?: number[];
  int32_data?: number[];
  string_data?: Uint8Array[];
  int64_data?: number[];
  name?: string;
  raw_data?: Uint8Array;
  double_data?: number[];
  uint64_data?: number[];
  doc_string?: string;
  external_data?: StringStringEntryProto[];
  data_location?: number;
  metadata_props?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface TensorProtoSegment {
  begin?: number;
  end?: number;
  $unknowns?: Uint8Array[];
}

export interface SparseTensorProto {
  values?: TensorProto;
  indices?: TensorProto;
  dims?: number[];
  $unknowns?: Uint8Array[];
}

export interface StringStringEntryProto {
  key?: string;
  value?: string;
  $unknowns?: Uint8Array[];
}

export interface OperatorSetIdProto {
  domain?: string;
  version?: number;
  $unknowns?: Uint8Array[];
}

export interface TensorAnnotation {
  tensor_name?: string;
  quant_parameter_tensor_names?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface TrainingInfoProto {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initialization_binding?: StringStringEntryProto[];
  update_binding?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface FunctionProto {
  name?: string;
  input?: string[];
  output?: string[];
  attribute?: string[];
  node?: NodeProto[];
  doc_string?: string;
  opset_import?: OperatorSetIdProto[];
  domain?: string;
  attribute_proto?: AttributeProto[];
  value_info?: ValueInfoProto[];
  overload?: string;
  metadata_props?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export const onnx: {
  ModelProto: Codec<ModelProto>;
  GraphProto: Codec<GraphProto>;
  NodeProto: Codec<NodeProto>;
  AttributeProto: Codec<AttributeProto>;
  ValueInfoProto: Codec<ValueInfoProto>;
  TypeProto: Codec<TypeProto>;
  TensorShapeProto: Codec<TensorShapeProto>;
  TensorProto: Codec<TensorProto>;
  SparseTensorProto: Codec<SparseTensorProto>;
  StringStringEntryProto: Codec<StringStringEntryProto>;
  OperatorSetIdProto: Codec<OperatorSetIdProto>;
  TensorAnnotation: Codec<TensorAnnotation>;
  TrainingInfoProto: Codec<TrainingInfoProto>;
  FunctionProto: Codec<FunctionProto>;
};

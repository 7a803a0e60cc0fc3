/**
 * Differential testing for people who port neural networks to TypeScript.
 *
 * {@link definePort} types a port, {@link layerByLayer} holds it against the original. Nothing else
 * is public.
 *
 * @packageDocumentation
 */
export { layerByLayer } from "./checks/layer-by-layer.js";
export type { LayerByLayerOptions, ProgressEvent } from "./checks/options.js";
export type {
  Alignment,
  BackendOutcome,
  BackendTap,
  Count,
  Coverage,
  ErrorResult,
  Fault,
  FaultComponent,
  InputSize,
  Json,
  JsonNumber,
  LayerByLayerResult,
  MemoryUse,
  ReferenceInfo,
  ReferenceOutcome,
  Sensitivity,
  TapBasis,
  TapMode,
  TapPair,
  TapResult,
  TapVerdict,
  Timings,
} from "./checks/result.js";
export { RESULT_SCHEMA } from "./checks/result.js";
export { InputError, type InputErrorCode, UnavailableError } from "./errors.js";
export {
  type BuildContext,
  definePort,
  type PlainTensor,
  type Port,
  type PortInput,
  type PortOutputs,
  type PortTensor,
  type PortVariable,
  type PortWeights,
  type RgbImage,
  type TakenWeight,
  type TakeOptions,
  type Tap,
  type TapOptions,
  type TfTensor,
} from "./port/port.js";
export type { DenseLayout, KernelLayout, Layout } from "./tensor/layout.js";

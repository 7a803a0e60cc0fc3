/** What is in a golden, the other files beside it. */
export const MANIFEST_FILE = "manifest.json";
export const TRACE_FILE = "trace.npz";
export const INPUTS_FILE = "inputs.npz";
/** Only where a training pass was recorded. */
export const GRADIENTS_FILE = "gradients.npz";

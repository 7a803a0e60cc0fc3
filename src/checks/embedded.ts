/** The reference that needs nothing installed. */
export const EMBEDDED = "onnxruntime";

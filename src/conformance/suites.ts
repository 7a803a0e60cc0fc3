import { darknetSuite } from "./darknet/darknet-suite.js";
import { kerasSuite } from "./keras/keras-suite.js";
import { modelsSuite } from "./models/models-suite.js";
import { onnxTestdataSuite } from "./onnx-testdata/onnx-testdata-suite.js";
import type { Suite } from "./suite.js";

/** Every format of conformance suites that is known; the first that claims a folder runs it. */
export const SUITES: readonly Suite[] = [darknetSuite, kerasSuite, modelsSuite, onnxTestdataSuite];

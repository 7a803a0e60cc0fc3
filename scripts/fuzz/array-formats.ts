import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../src/formats/darknet/config.js";
import { readDarknetWeights } from "../../src/formats/darknet/weights-reader.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { readNpy } from "../../src/formats/npy/npy-reader.js";
import { writeNpy } from "../../src/formats/npy/npy-writer.js";
import { readNpz, writeNpz } from "../../src/formats/npy/npz.js";
import { sizeOf, tensor } from "../../src/tensor/tensor.js";
import { damaged } from "./damage.js";
import type { FuzzFormat } from "./format.js";

const VALUES = tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
const NPY = writeNpy(VALUES);
const NPZ = writeNpz([
  ["a", VALUES],
  ["b/c", { dtype: "int64", shape: [2], data: BigInt64Array.of(1n, -1n) }],
]);

const CONFIG = `[net]
width=32
height=32
channels=3
batch=1

[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=18
size=1
stride=1
activation=linear

[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
classes=1
num=3
`;
const ARCHITECTURE = architectureFromDarknet(parseDarknetConfig(CONFIG, "fuzz.cfg"));
const WEIGHTS = weightsBytes();

function weightsBytes(): Uint8Array {
  const shapes = new Map(ARCHITECTURE.weights.map(({ name, shape }) => [name, shape]));
  const pieces: Uint8Array[] = [];
  writeDarknetWeights(
    (bytes) => pieces.push(Uint8Array.from(bytes)),
    ARCHITECTURE,
    (name) => new Float32Array(sizeOf(shapes.get(name) ?? [])).fill(0.5),
  );
  return Uint8Array.from(Buffer.concat(pieces));
}

/** NumPy's files and Darknet's. */
export const ARRAY_FORMATS: readonly FuzzFormat[] = [
  { id: "npy", read: (random) => readNpy(damaged(NPY, random), "fuzz.npy") },
  { id: "npz", read: (random) => readNpz(damaged(NPZ, random), "fuzz.npz") },
  {
    id: "darknet-cfg",
    read: (random) => {
      const text = damaged(Buffer.from(CONFIG), random);
      architectureFromDarknet(parseDarknetConfig(text, "fuzz.cfg"));
    },
  },
  {
    id: "darknet-weights",
    read: (random) => {
      const options = { partial: random.below(4) === 0, lenient: random.below(4) === 0 };
      readDarknetWeights(damaged(WEIGHTS, random), ARCHITECTURE, options, "fuzz.weights");
    },
  },
];

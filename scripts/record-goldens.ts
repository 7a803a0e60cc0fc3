/**
 * Records what the Darknet library and Keras compute for built-in models at their smallest, and PyTorch and ONNX Runtime for
 * `examples/small.cfg`, with made-up weights, into goldens/darknet, keras, pytorch and onnxruntime; and what ONNX Runtime computes for
 * two small ONNX models into goldens/onnx. The same library gives the same bytes. Needs the runners (`scripts/install-references.sh`).
 *
 *     npx tsx scripts/record-goldens.ts [darknet|keras|pytorch|onnxruntime|onnx]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { LayerByLayerOptions } from "../src/checks/options.js";
import { recordGolden } from "../src/checks/record-golden.js";
import { cnnModel, encoderModel } from "../test/checks/onnx-models.js";

/** As small as the strides allow: the recordings are part of the repository. */
const SIZE = 32;

const [, , only] = process.argv;
const wanted = (library: string) => only === undefined || only === library;
if (wanted("darknet")) await recordDarknet();
if (wanted("keras")) await recordKeras();
if (wanted("pytorch")) await recordSmall("pytorch", "pytorch:examples/torch_small.py:build");
if (wanted("onnxruntime")) await recordSmall("onnxruntime", "onnxruntime");
if (wanted("onnx")) await recordOnnx();

async function recordDarknet(): Promise<void> {
  for (const model of ["yolov2-tiny", "yolov3-tiny", "yolo-fastest-1.1"])
    await record("darknet", { model, size: SIZE, darknet: "pjreddie" });
}

async function recordKeras(): Promise<void> {
  mkdirSync("goldens/keras", { recursive: true });
  await record("keras", { model: "mnist-cnn" });
  // MobileNetV2's file has a size of its own: the same model at another one is another file.
  const original = "goldens/keras/mobilenet-v2.json";
  const published = readFileSync("references/keras/mobilenet-v2.json", "utf8");
  writeFileSync(original, published.replace("[null,224,224,3]", `[null,${SIZE},${SIZE},3]`));
  // The ends of the blocks: all 155 layers would take 2 MB.
  const taps = "bn_Conv1,*_project_BN,*_add,Conv_1_bn,global_average_pooling2d,predictions";
  await record("keras", { model: "mobilenet-v2", original, taps });
}

/** The original of the example ports: `examples/torch_small.py` is what somebody wrote of it in PyTorch. */
async function recordSmall(library: string, reference: string): Promise<void> {
  const { taps } = await recordGolden({
    reference,
    original: "examples/small.cfg",
    out: `goldens/${library}/small`,
    note: "examples/small.cfg; recorded by scripts/record-goldens.ts",
  });
  console.log(`small: ${taps.length} taps by ${library}`);
}

/** A small image classifier, and an encoder of whole numbers with a mask; their files lie beside the recordings. */
async function recordOnnx(): Promise<void> {
  mkdirSync("goldens/onnx", { recursive: true });
  const models = [
    { name: "cnn", bytes: cnnModel(), options: { shape: "batch=2" } },
    {
      name: "encoder",
      bytes: encoderModel(),
      options: { shape: "batch=2,seq=4", inputs: ["ids=ids:0..8", "mask=ids:0..1"] },
    },
  ];
  for (const { name, bytes, options } of models) {
    const original = `goldens/onnx/${name}.onnx`;
    writeFileSync(original, bytes);
    const { taps } = await recordGolden({
      ...options,
      original,
      out: `goldens/onnx/${name}`,
      note: "every value of a small model; recorded by scripts/record-goldens.ts",
    });
    console.log(`${name}: ${taps.length} taps by onnxruntime`);
  }
}

async function record(library: string, options: LayerByLayerOptions): Promise<void> {
  const { taps, reference } = await recordGolden({
    ...options,
    reference: library,
    out: `goldens/${library}/${options.model}`,
    note: "every layer of a built-in model, at its smallest; recorded by scripts/record-goldens.ts",
  });
  console.log(`${options.model}: ${taps.length} taps by ${reference.name} ${reference.version}`);
}

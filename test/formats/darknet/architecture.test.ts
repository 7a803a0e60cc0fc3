import { describe, expect, it } from "vitest";
import type { Operation } from "../../../src/architecture/architecture.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
  type DarknetOptions,
} from "../../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../../src/formats/darknet/config.js";
import { expectLaws } from "./laws.js";

const NET = "[net]\nwidth=8\nheight=6\nchannels=4\n";

function network(layers: string, options: DarknetOptions = {}): DarknetArchitecture {
  return architectureFromDarknet(parseDarknetConfig(NET + layers, "my.cfg"), options);
}

const pjreddie = { dialect: "pjreddie" } as const;

function operation(architecture: DarknetArchitecture, id: string): Operation {
  const found = architecture.operations.find((one) => one.id === id);
  if (!found) throw new Error(`no ${id} among ${architecture.operations.map((o) => o.id)}`);
  return found;
}

function attributes(architecture: DarknetArchitecture, id: string): unknown {
  return operation(architecture, id).attributes;
}

function shapeOf(architecture: DarknetArchitecture, id: string): readonly number[] {
  return operation(architecture, id).shape;
}

describe("a convolution", () => {
  it("is conv, norm and activation; the bias belongs to the norm", () => {
    const built = network(
      "[convolutional]\nbatch_normalize=1\nfilters=2\nsize=3\npad=1\nactivation=leaky\n",
    );
    expect(built.layers).toEqual([
      {
        id: "conv_0",
        index: 0,
        kind: "convolutional",
        operations: ["conv_0/conv", "conv_0/norm", "conv_0"],
      },
    ]);
    expect(operation(built, "conv_0/conv").weights).toEqual({ kernel: "conv_0/kernel" });
    expect(operation(built, "conv_0/norm")).toMatchObject({
      inputs: ["conv_0/conv"],
      attributes: { axis: 1, epsilon: 1e-5, epsilonPlace: "inside" },
      weights: {
        bias: "conv_0/bias",
        scale: "conv_0/scale",
        mean: "conv_0/mean",
        variance: "conv_0/variance",
      },
    });
    expect(attributes(built, "conv_0")).toEqual({ function: "leaky", parameters: { slope: 0.1 } });
    expect(built.weights.map(({ role }) => role)).toEqual([
      "bias",
      "scale",
      "mean",
      "variance",
      "kernel",
    ]);
  });

  it("without norm and activation is one operation with the layer's id", () => {
    const built = network("[conv]\nfilters=2\nsize=1\nactivation=linear\n");
    expect(built.layers[0]?.operations).toEqual(["conv_0"]);
    expect(operation(built, "conv_0").weights).toEqual({
      kernel: "conv_0/kernel",
      bias: "conv_0/bias",
    });
  });

  it("is logistic unless told otherwise, and ReLU by a word nobody knows", () => {
    expect(attributes(network("[conv]\n"), "conv_0")).toMatchObject({ function: "logistic" });
    const built = network("[conv]\nactivation=mish\n", pjreddie);
    expect(attributes(built, "conv_0")).toMatchObject({ function: "relu" });
    expect(built.warnings).toEqual([
      "my.cfg line 5: [conv] activation=mish is not known to pjreddie's Darknet, which uses relu",
    ]);
  });

  it("puts pjreddie's epsilon outside the root", () => {
    const built = network("[conv]\nbatch_normalize=1\nactivation=linear\n", pjreddie);
    expect(attributes(built, "conv_0")).toEqual({
      axis: 1,
      epsilon: 1e-6,
      epsilonPlace: "outside",
    });
  });

  it("reads a 1×1 kernel with a stride contiguously in pjreddie's dialect alone", () => {
    const text = "[conv]\nfilters=2\nsize=1\nstride=2\nactivation=linear\n";
    expect(attributes(network(text), "conv_0")).toMatchObject({ sampling: "grid" });
    expect(attributes(network(text, pjreddie), "conv_0")).toMatchObject({ sampling: "contiguous" });
    const plain = network("[conv]\nsize=1\nactivation=linear\n", pjreddie);
    expect(attributes(plain, "conv_0")).toMatchObject({ sampling: "grid" });
  });

  it("prefers pad=1 to padding, and knows a stride for each axis", () => {
    const built = network(
      "[conv]\nsize=5\npad=1\npadding=9\nstride_x=2\nstride_y=1\nactivation=linear\n",
    );
    expect(attributes(built, "conv_0")).toMatchObject({
      strides: [1, 2],
      pads: { top: 2, left: 2, bottom: 2, right: 2 },
    });
    expect(shapeOf(built, "conv_0")).toEqual([1, 1, 6, 4]);
  });

  it("keeps the library's size under dilation: what is missing below and right is zero", () => {
    const built = network("[conv]\nsize=3\ndilation=2\nactivation=linear\n");
    expect(shapeOf(built, "conv_0")).toEqual([1, 1, 4, 6]);
    expect(attributes(built, "conv_0")).toMatchObject({
      dilations: [2, 2],
      pads: { top: 0, left: 0, bottom: 2, right: 2 },
    });
    const padded = network("[conv]\nsize=3\npad=1\ndilation=2\nactivation=linear\n");
    expect(attributes(padded, "conv_0")).toMatchObject({
      pads: { top: 2, left: 2, bottom: 2, right: 2 },
    });
  });

  it("takes another layer's tensors with share_index, and adds none of its own", () => {
    const conv = "[conv]\nfilters=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n";
    const built = network(`${conv}${conv}share_index=-1\n`);
    expect(built.weights).toHaveLength(5);
    expect(operation(built, "conv_1/conv").weights).toEqual({ kernel: "conv_0/kernel" });
    expect(operation(built, "conv_1/norm").weights).toMatchObject({ mean: "conv_0/mean" });
    const other = "[conv]\nfilters=2\nsize=1\nshare_index=0\n";
    expect(() => network(conv + other)).toThrow(
      "[conv] shares the weights of conv_0, whose kernel is [4,4,3,3], but needs [2,4,1,1]",
    );
  });

  it("says how its tensors lie in the file", () => {
    const built = network(
      "[conv]\nsize=1\nflipped=1\n[conv]\nsize=1\ndontload=1\n[conv]\nsize=1\nbatch_normalize=1\ndontloadscales=1\n[connected]\n",
    );
    const records = Object.fromEntries(
      built.records.map((r) => [r.name, `${r.file} ${r.transposed}`]),
    );
    expect(records).toMatchObject({
      "conv_0/kernel": "stored flipped",
      "conv_1/bias": "absent never",
      "conv_1/kernel": "absent never",
      "conv_2/bias": "stored never",
      "conv_2/variance": "absent never",
      "conv_2/kernel": "stored never",
      "connected_3/kernel": "stored dense",
    });
  });

  it("with antialiasing keeps its shape: the blurred map overwrites the start of its memory", () => {
    const built = network(
      "[conv]\nfilters=2\nsize=3\nstride=2\npad=1\nantialiasing=1\nactivation=leaky\n",
    );
    expect(shapeOf(built, "conv_0")).toEqual([1, 2, 6, 8]);
    expect(shapeOf(built, "conv_0/blur")).toEqual([1, 2, 3, 4]);
    expect(attributes(built, "conv_0/kept")).toEqual({ axis: 1, start: 24, end: 96 });
    expect(operation(built, "conv_0/full/conv").weights["kernel"]).toBe("conv_0/kernel");
  });

  it("hands the two strides of antialiasing to the blur", () => {
    const built = network(
      "[conv]\nfilters=2\nsize=3\nstride_x=2\nstride_y=1\npad=1\nantialiasing=2\nactivation=leaky\n",
    );
    expect(attributes(built, "conv_0/blur")).toMatchObject({ strides: [1, 2], pad: 0 });
    expect(shapeOf(built, "conv_0/blur")).toEqual([1, 2, 5, 4]);
  });
});

describe("keys of a convolution that only the GPU heeds", () => {
  it.each(["binary", "bin_output", "sway", "rotate", "stretch", "stretch_sway"])(
    "%s is a plain convolution, with a warning",
    (key) => {
      const built = network(`[conv]\nfilters=2\nsize=3\npad=1\n${key}=1\nactivation=leaky\n`);
      expect(built.warnings).toEqual([expect.stringContaining(`${key}=1 has no effect`)]);
      expect(built.operations.map(({ kind }) => kind)).toEqual(["conv", "activation"]);
    },
  );
});

describe("pools, routes and shortcuts", () => {
  it("pad a max pool by size − 1 in all, the larger half below and right", () => {
    expect(attributes(network("[maxpool]\nsize=2\nstride=1\n"), "maxpool_0")).toMatchObject({
      mode: "max",
      pads: { top: 0, left: 0, bottom: 1, right: 1 },
    });
    expect(shapeOf(network("[maxpool]\nsize=2\nstride=2\n"), "maxpool_0")).toEqual([1, 4, 3, 4]);
    expect(attributes(network("[local_avgpool]\nsize=3\n"), "local_avgpool_0")).toMatchObject({
      mode: "average",
      countPadding: false,
    });
  });

  it("cut groups of a route in AlexeyAB's dialect; pjreddie's ignores them, with a warning", () => {
    const text = "[conv]\nfilters=6\nactivation=linear\n[route]\nlayers=-1\ngroups=3\ngroup_id=2\n";
    expect(attributes(network(text), "route_1")).toEqual({ axis: 1, start: 4, end: 6 });
    const other = network(text, pjreddie);
    expect(operation(other, "route_1").kind).toBe("identity");
    expect(other.warnings).toHaveLength(2);
  });

  it("join a route's layers in the order written, relative and absolute", () => {
    const convs = [1, 2, 3].map((n) => `[conv]\nfilters=${n}\nactivation=linear\n`).join("");
    const built = network(`${convs}[route]\nlayers = -1, 0, -2\n`);
    expect(operation(built, "route_3").inputs).toEqual(["conv_2", "conv_0", "conv_1"]);
    expect(shapeOf(built, "route_3")).toEqual([1, 6, 6, 8]);
    expect(() => network(`${convs}[route]\nlayers=3\n`)).toThrow(
      "layers=3 is layer 3, expected an earlier layer (0 to 2, this is layer 3)",
    );
  });

  it("add equal maps plainly and fit unequal ones by the dialect's rule", () => {
    const text =
      "[conv]\nfilters=6\nactivation=linear\n[conv]\nfilters=4\nactivation=linear\n[shortcut]\nfrom=-2\n";
    expect(attributes(network(text), "shortcut_2/fit0")).toMatchObject({
      rule: "flat",
      channels: 4,
    });
    expect(attributes(network(text, pjreddie), "shortcut_2/fit")).toMatchObject({ rule: "grid" });
    const equal = network(
      "[conv]\nfilters=4\nactivation=linear\n[shortcut]\nfrom=0\nactivation=mish\n",
    );
    expect(equal.layers[1]?.operations).toEqual(["shortcut_1/sum", "shortcut_1"]);
  });

  it("follow pjreddie's alpha and beta, alpha only where the other map reaches", () => {
    const conv = "[conv]\nfilters=4\nactivation=linear\n";
    const text = `${conv}[conv]\nfilters=4\nactivation=linear\n[shortcut]\nfrom=-2\nalpha=.5\nbeta=2\n`;
    expect(attributes(network(text, pjreddie), "shortcut_2")).toEqual({ coefficients: [0.5, 2] });
    const narrow = text.replace("filters=4", "filters=2");
    const built = network(narrow, pjreddie);
    expect(attributes(built, "shortcut_2")).toEqual({ coefficients: [1, -0.5, 2] });
    expect(operation(built, "shortcut_2").inputs).toEqual([
      "conv_1",
      "shortcut_2/reached",
      "shortcut_2/fit",
    ]);
  });

  it("weigh a shortcut's inputs by stored numbers", () => {
    const conv = "[conv]\nfilters=4\nactivation=linear\n";
    const text = `${conv}${conv}[shortcut]\nfrom=-2\nweights_normalization=softmax\nweights_type=`;
    const built = network(`${text}per_channel\n`);
    expect(built.weights.at(-1)).toMatchObject({ name: "shortcut_2/weights", shape: [2, 4] });
    expect(attributes(built, "shortcut_2")).toEqual({
      normalization: "softmax",
      epsilon: 1e-4,
      perChannel: true,
    });
    expect(network(`${text}per_feature\n`).weights.at(-1)?.shape).toEqual([2]);
  });
});

describe("heads", () => {
  const yolo =
    "[conv]\nfilters=14\nactivation=linear\n[yolo]\nclasses=2\nnum=3\nmask=0,2\nanchors=1,2, 3,4, 5,6\nscale_x_y=1.2\n";

  it("of YOLO: logistic planes, scale_x_y, and the anchors of the mask", () => {
    const built = network(yolo);
    expect(attributes(built, "yolo_1")).toMatchObject({
      anchors: 2,
      logistic: [0, 1, 4, 5, 6],
      affine: { planes: [0, 1], scale: 1.2, offset: 0.5 * (1 - 1.2) },
      anchorSizes: [1, 2, 5, 6],
    });
    expect(built.heads).toMatchObject([
      { id: "yolo_1", classes: 2, boxes: 2, mask: [0, 2], anchors: [1, 2, 3, 4, 5, 6] },
    ]);
    expect(built.outputs).toEqual(["yolo_1"]);
  });

  it("with new_coords pass the planes on; pjreddie's library knows neither key", () => {
    expect(attributes(network(`${yolo}new_coords=1\n`), "yolo_1")).toMatchObject({ logistic: [] });
    const other = network(`${yolo}new_coords=1\n`, pjreddie);
    expect(attributes(other, "yolo_1")).toMatchObject({ affine: { scale: 1, offset: 0 } });
    expect(other.warnings).toHaveLength(2);
  });

  it("of YOLOv2 are cells in one library and planes in the other", () => {
    const text =
      "[conv]\nfilters=14\nactivation=linear\n[region]\nclasses=2\nnum=2\nsoftmax=1\nanchors=1,2,3,4\n";
    expect(attributes(network(text), "region_1")).toMatchObject({ order: "cells", logistic: [4] });
    const other = network(text, pjreddie);
    expect(attributes(other, "region_1")).toMatchObject({ order: "planes", logistic: [0, 1, 4] });
    expect(shapeOf(other, "region_1")).toEqual([1, 14 * 48]);
  });

  it("say which number of filters they need", () => {
    expect(() => network(yolo.replace("filters=14", "filters=15"))).toThrow(
      "my.cfg line 8: [yolo] gets 15 channels, expected 2 × 7 = 14; set filters=14",
    );
  });
});

describe("recurrent layers", () => {
  it("keep a state whose next value is the layer's", () => {
    const built = network("[gru]\noutput=3\n");
    expect(attributes(built, "gru_0/state")).toEqual({ shape: [1, 3], next: "gru_0" });
    expect(operation(built, "gru_0/uz").inputs).toEqual(["input"]);
    expect(operation(built, "gru_0/wz").inputs).toEqual(["gru_0/state"]);
  });

  const order = (layer: string, options: DarknetOptions): string =>
    network(`[${layer}]\noutput=3\n`, options)
      .weights.filter(({ role }) => role === "kernel")
      .map(({ name }) => name.split("/")[1])
      .join(" ");

  it("lie in the file in each library's own order", () => {
    expect(order("gru", {})).toBe("uz ur uh wz wr wh");
    expect(order("gru", pjreddie)).toBe("wz wr wh uz ur uh");
    expect(order("lstm", {})).toBe("wf wi wg wo uf ui ug uo");
    expect(order("lstm", pjreddie)).toBe("wi wf wo wg ui uf uo ug");
    expect(order("conv_lstm]\npad=1\npeephole=1\n[silence", {})).toBe(
      "vf vi vo wf wi wg wo uf ui ug uo",
    );
  });

  it("must keep the size of their map", () => {
    expect(() => network("[crnn]\noutput=2\nhidden=3\nsize=3\n")).toThrow("pad=1, stride=1");
  });
});

describe("other layers", () => {
  it("without effect at inference are identities, and a cost is 0", () => {
    const built = network("[dropout]\n[silence]\n[cost]\n");
    expect(built.operations.map(({ id, kind }) => [id, kind])).toEqual([
      ["dropout_0", "identity"],
      ["silence_1", "identity"],
      ["cost_2/flat", "reshape"],
      ["cost_2", "constant"],
    ]);
    expect(built.outputs).toEqual(["silence_1"]);
  });

  it("crop the middle, 2x − 1 unless noadjust", () => {
    expect(attributes(network("[crop]\ncrop_height=3\ncrop_width=5\n"), "crop_0")).toEqual({
      top: 1,
      left: 1,
      height: 3,
      width: 5,
      gain: 2,
      offset: -1,
    });
  });

  it("multiply a map by one value a channel, or a pixel", () => {
    const text = "[conv]\nfilters=4\n[avgpool]\n[scale_channels]\nfrom=0\n";
    expect(operation(network(text), "scale_channels_2").inputs).toEqual(["conv_0", "avgpool_1"]);
    const pixel = "[conv]\nfilters=4\n[conv]\nfilters=2\n[scale_channels]\nfrom=0\nscale_wh=1\n";
    expect(attributes(network(pixel), "scale_channels_2/first")).toEqual({
      axis: 1,
      start: 0,
      end: 1,
    });
    expect(() => network("[conv]\nfilters=4\n[conv]\n[scale_channels]\nfrom=0\n")).toThrow(
      "scales conv_0 [1,4,6,8] by [1,1,6,8], expected [1,4,1,1]",
    );
  });

  it("take flat inputs for networks without an image", () => {
    const config = parseDarknetConfig("[net]\ninputs=7\n[rnn]\noutput=2\nhidden=3\n", "text.cfg");
    expect(architectureFromDarknet(config, { batch: 2 }).inputs[0]?.shape).toEqual([2, 7]);
  });
});

describe("messages", () => {
  it("name an unknown section's line and the nearest known one", () => {
    expect(() => network("[convolutionl]\n")).toThrow(
      "my.cfg line 5: [convolutionl] is no section of Darknet; nearest is [convolutional]",
    );
    expect(() => network("[sam]\nfrom=0\n", pjreddie)).toThrow(
      "read the file with the other dialect",
    );
    expect(() => network("[contrastive]\n")).toThrow("is not supported: a loss for training only");
  });

  it("name keys that nobody reads", () => {
    expect(network("[conv]\nfilter=3\nstopbackward=1\n").warnings).toEqual([
      'my.cfg line 6: filter="3" is not used by [conv]',
    ]);
  });

  it.each([
    ["[conv]\nfilters=0\n", "my.cfg line 6: [conv] filters=0, expected at least 1"],
    ["[conv]\nfilters=many\n", 'filters="many", expected a number'],
    ["[conv]\nsize=9\n", "a 9×9 kernel with padding 0 and dilation 1 does not fit a 6×8 map"],
    ["[conv]\ngroups=3\n", "groups=3 divides neither 4 input channels nor filters=1 evenly"],
    ["[conv]\nfilters=2000000\nsize=100\npad=1\n", "above 2147483647 parameters"],
    ["[upsample]\nstride=4096\n[upsample]\nstride=4096\n", "at most 2147483647 values"],
    ["[conv]\nxnor=1\n", "xnor=1 is not supported"],
    ["[route]\n", "has no layers="],
    ["[reorg]\nstride=3\n", "stride=3 does not fit 4 channels of 6×8"],
    ["[softmax]\ngroups=7\n", "groups=7 of 192 values"],
    ["[sam]\nfrom=-1\n", "expected an earlier layer"],
  ])("%j is refused", (text, message) => {
    expect(() => network(text)).toThrow(message);
  });

  it("reads numbers as C does, with a warning for what follows them", () => {
    const built = network("[conv]\nfilters=3#small\n[conv]\nfilters=2.0\n");
    expect(built.weights.map(({ shape }) => shape[0])).toEqual([3, 3, 2, 2]);
    expect(built.warnings).toHaveLength(2);
    expect(
      network("[conv]\nsize=1\nfilters=3\nstride=x\n[conv]\n".replace("stride=x", "pad=x"), {
        lenient: true,
      }).warnings,
    ).toEqual(['my.cfg line 8: [conv] pad="x" is read as 0']);
  });

  it("takes size and batch from the caller", () => {
    const built = network("[conv]\nactivation=linear\n", { width: 5, height: 3, batch: 2 });
    expect(shapeOf(built, "conv_0")).toEqual([2, 1, 3, 5]);
    expect(() => network("[conv]\n", { width: 0 })).toThrow("width=0, expected 1 to 65536");
  });
});

describe("laws of every architecture", () => {
  const text = "[conv]\nfilters=4\nbatch_normalize=1\n[lstm]\noutput=3\n[connected]\noutput=2\n";
  it("every input exists before it is read, ids are unique, every weight is used", () => {
    expectLaws(network(text));
    expect(() =>
      expectLaws({ ...network(text), operations: network(text).operations.slice(1) }),
    ).toThrow();
  });
});

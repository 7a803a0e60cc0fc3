import { transpose } from "../../tensor/layout.js";
import { sizeOf, tensor } from "../../tensor/tensor.js";
import { type Mistake, type Mistakes, named } from "./mistake.js";

/** Columns in the order of another framework's flattened map, the matrix transposed, a bias lost or added twice. */
export const denseMistakes: Mistakes<"dense"> = (suspect) => {
  const { inputs, weight, operation } = suspect;
  const kernel = weight("kernel");
  const [out = 1, inn = 1] = kernel.shape;
  const name = named(operation, "kernel");
  const mistakes: Mistake[] = [];
  const [, channels = 1, height = 1, width = 1] = mapBefore(suspect) ?? inputs[0]?.shape ?? [];
  if (channels > 1 && height * width > 1 && channels * height * width === inn) {
    const columns = tensor([out, channels, height, width], kernel.data);
    const columnsOfHwc = transpose(
      tensor([out, height, width, channels], kernel.data),
      [0, 3, 1, 2],
    );
    mistakes.push(
      {
        cause:
          "the map before is flattened as (height, width, channel), expected (channel, height, width)",
        weights: { [name]: columnsOfHwc.data },
      },
      {
        cause:
          "columns are in the order (height, width, channel), expected (channel, height, width)",
        weights: { [name]: transpose(columns, [0, 2, 3, 1]).data },
      },
    );
  }
  mistakes.push({
    cause: "kernel is read as [in, out], it is stored as [out, in]",
    weights: { [name]: transpose(tensor([inn, out], kernel.data), [1, 0]).data },
  });
  return [...mistakes, ...biasMistakes(suspect)];
};

/** Shape of the map that a flat input was made of, if it was. */
function mapBefore({
  operation,
  architecture,
}: Parameters<typeof denseMistakes>[0]): readonly number[] | undefined {
  const before = architecture.operations.find(({ id }) => id === operation.inputs[0]);
  if (before?.kind !== "reshape") return undefined;
  const shape = architecture.operations.find(({ id }) => id === before.inputs[0])?.shape;
  return shape?.length === 4 && sizeOf(shape) === sizeOf(before.shape) ? shape : undefined;
}

/** A bias that was not loaded, or that is added twice. */
export function biasMistakes({
  operation,
  weight,
}: {
  readonly operation: Parameters<typeof named>[0];
  readonly weight: (role: string) => { readonly data: Float32Array };
}): Mistake[] {
  const name = operation.weights["bias"];
  if (name === undefined) return [];
  const { data } = weight("bias");
  return [
    {
      cause: "bias is 0 everywhere: it was not loaded",
      weights: { [name]: new Float32Array(data.length) },
    },
    { cause: "bias is added twice", weights: { [name]: data.map((b) => 2 * b) } },
  ];
}

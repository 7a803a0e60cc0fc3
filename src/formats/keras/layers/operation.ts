import { range } from "../ops.js";
import { Value, type ValueType } from "../value.js";
import { axisOf, type Call, type Given, type Result, tensorsOf } from "./call.js";

/** One of Keras 3's operations or TensorFlow's functions: operands, and options by name wherever they stand. */
export class Operation {
  readonly call: Call;
  readonly #positions: readonly string[];

  constructor(call: Call, positions: readonly string[]) {
    this.call = call;
    this.#positions = positions;
  }

  get ops() {
    return this.call.ops;
  }

  /** What was given for a parameter, by any of its names or by its place. */
  given(...names: readonly string[]): Given {
    const { args, kwargs, layer } = this.call;
    for (const name of names) {
      const keyword = kwargs.get(name);
      if (keyword !== undefined) return keyword;
    }
    for (const name of names) {
      const at = this.#positions.indexOf(name);
      if (at >= 0 && args[at] !== undefined) return args[at];
    }
    for (const name of names) {
      const config = layer.raw(name);
      if (config !== undefined) return config as Given;
    }
    return undefined;
  }

  /** An operand; a number becomes a tensor without axes, nested lists of numbers one with some. */
  value(...names: readonly string[]): Value {
    const given = this.given(...names);
    const value = this.#valueOf(given);
    if (value !== undefined) return value;
    throw this.call.layer.refused("format", `is called without ${names[0]}`);
  }

  #valueOf(given: Given): Value | undefined {
    if (given instanceof Value) return given;
    if (typeof given === "number")
      return this.ops.scalar(given, Number.isInteger(given) ? "int" : "float");
    if (typeof given === "boolean") return this.ops.scalar(given ? 1 : 0, "bool");
    if (Array.isArray(given)) {
      const tensors = tensorsOf(given);
      if (tensors.length === 1 && given.length === 1) return tensors[0];
      const flat = given.flat(8) as Given[];
      if (flat.length > 0 && flat.every((item) => typeof item === "number")) {
        const numbers = flat as number[];
        return this.ops.fill(
          shapeOfList(given),
          numbers,
          numbers.every(Number.isInteger) ? "int" : "float",
        );
      }
    }
    return undefined;
  }

  values(...names: readonly string[]): Value[] {
    return tensorsOf(this.given(...names));
  }

  number(otherwise: number, ...names: readonly string[]): number {
    const given = this.given(...names);
    return typeof given === "number" ? given : otherwise;
  }

  flag(...names: readonly string[]): boolean {
    return this.given(...names) === true;
  }

  /** Axes told as a number, a list, or nothing for all. */
  axes(x: Value, ...names: readonly string[]): number[] {
    const given = this.given(...names);
    if (given === null || given === undefined) return range(0, x.rank);
    const list = Array.isArray(given) ? given : [given];
    return list.map((axis) => axisOf(this.call, Number(axis), x.rank));
  }

  numbers(...names: readonly string[]): number[] | undefined {
    const given = this.given(...names);
    if (typeof given === "number") return [given];
    return Array.isArray(given) && given.every((item) => typeof item === "number")
      ? (given as number[])
      : undefined;
  }
}

function shapeOfList(list: Given): number[] {
  return Array.isArray(list) ? [list.length, ...shapeOfList(list[0])] : [];
}

/** How an operation is read. */
export interface Definition {
  /** Names of the positional arguments. */
  readonly positions: readonly string[];
  readonly apply: (operation: Operation) => Result;
}

/** Names under which functions take their only operand. */
export const X = [
  "x",
  "input",
  "input_tensor",
  "a",
  "tensor",
  "features",
  "logits",
  "value",
  "values",
  "inputs",
];

/** What the numbers of a dtype are. */
export function typeOfName(dtype: Given): ValueType | undefined {
  if (typeof dtype !== "string") return undefined;
  if (dtype === "bool") return "bool";
  return /int/.test(dtype) ? "int" : "float";
}

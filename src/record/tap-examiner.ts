import { compareTap, type TapComparison } from "../compare/compare-tap.js";
import type { PlannedTap, TapPlan } from "../references/tap-plan.js";
import { readExactly } from "../runtime/scratch-file.js";
import { convertLayout, type Layout, shapeInLayout } from "../tensor/layout.js";
import { Room } from "../tensor/room.js";
import { sizeOf, tensor } from "../tensor/tensor.js";
import type { Handover } from "./handover.js";

/** How values are held against each other where no bound was computed. */
export interface GivenTolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** What a port handed to one call of `tap`. */
export interface SentTap {
  /** The port's name of it. */
  readonly name: string;
  /** Which of the plan it is held against, `null` without a partner. */
  readonly index: number | null;
  /** Order in which rank-4 values lie. */
  readonly layout: Layout;
  /** In that layout. */
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Which values of the {@link Handover} these are; `null` where they cannot be compared. */
  readonly values: number | null;
}

/** What one call of `tap` brought. Shapes and values are in the original's layout. */
export interface TapRecord {
  /** The port's name of it. */
  readonly name: string;
  /** The reference tap it was held against, `null` without a partner. */
  readonly id: string | null;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** `null` where the shapes differ or there is no partner. */
  readonly compared: TapComparison | null;
  /** The port's values, only where they lie beyond the bound: the judge looks at them. */
  readonly values: Float32Array | null;
}

/** What the examiner needs to know of a run. */
export interface ExaminerOptions {
  readonly mode: "isolated" | "cumulative";
  readonly plan: TapPlan;
  readonly scratchFd: number;
  /** Layout of the original, in which shapes and values are told. */
  readonly original: Layout;
  readonly tolerance: GivenTolerance | null;
  /** Where the port's values come in. */
  readonly handover: Handover;
}

/** Holds each of a port's taps against the reference's values, which must be there by then; see DESIGN §4. */
export class TapExaminer {
  readonly #options: ExaminerOptions;
  readonly #expectedRoom = new Room();
  readonly #boundRoom = new Room();

  constructor(options: ExaminerOptions) {
    this.#options = options;
  }

  examine(sent: SentTap): TapRecord {
    const { name, dtype, layout } = sent;
    const shape = shapeInLayout(sent.shape, layout, this.#options.original);
    const base = { name, id: null, shape, dtype, compared: null, values: null };
    const planned = sent.index === null ? undefined : this.#options.plan.taps[sent.index];
    if (planned === undefined) return base;
    if (sent.values === null) return { ...base, id: planned.id };
    const { handover } = this.#options;
    const values = handover.values(sent.values, sizeOf(sent.shape));
    const compared = this.#compare(sent, planned, values);
    handover.release();
    return { ...base, id: planned.id, ...compared };
  }

  #compare(
    { shape, layout }: SentTap,
    planned: PlannedTap,
    values: Float32Array,
  ): Pick<TapRecord, "compared" | "values"> {
    const { mode, original } = this.#options;
    const expected = this.#read(planned, planned.offset, this.#expectedRoom, layout);
    const compared = compareTap({
      actual: values,
      expected,
      bound: this.#bound(planned, expected, layout),
      shape,
      channelAxis: channelAxisOf(shape, layout, original),
      negativeSide: planned.negativeSide,
      fit: mode === "isolated",
    });
    const kept = mode === "isolated" && compared.suspicious;
    // A copy: its memory is the next tap's.
    const own = kept ? convertLayout(tensor(shape, values.slice()), layout, original).data : null;
    return { compared, values: own };
  }

  /** The rounding bound of each element, or the caller's tolerance as one; `null` where the reference's value is exact or no bound is of use. */
  #bound(planned: PlannedTap, expected: Float32Array, layout: Layout): Float32Array | null {
    const { tolerance, mode } = this.#options;
    if (tolerance !== null) {
      return expected.map((e) => tolerance.atol + tolerance.rtol * Math.abs(e));
    }
    // Errors of the steps before add up in a cumulative run: the bound of one step says nothing there.
    if (mode === "cumulative" || planned.boundOffset === undefined) return null;
    return this.#read(planned, planned.boundOffset, this.#boundRoom, layout);
  }

  /** Values of the scratch file, in the layout asked for. */
  #read(planned: PlannedTap, offset: number, room: Room, layout: Layout): Float32Array {
    const data = room.of(sizeOf(planned.shape));
    readExactly(this.#options.scratchFd, data, offset);
    return convertLayout(tensor(planned.shape, data), planned.layout ?? layout, layout).data;
  }
}

/** Axis of the channels: by the tap's layout for maps, by the original's for values of other ranks. */
function channelAxisOf({ length }: readonly number[], layout: Layout, original: Layout): number {
  const last = (length === 4 ? layout : original) === "nhwc";
  return last ? length - 1 : Math.min(1, length - 1);
}

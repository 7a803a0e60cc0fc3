import { describe, expect, it } from "vitest";
import { Handover } from "../../src/record/handover.js";

describe("taps that are handed over", () => {
  it("arrive on the other side whole and in order, in memory that is used again once it is released", () => {
    const ours = new Handover(4);
    const port = new Handover(ours.buffer);
    const first = port.put(Float32Array.of(1, 2, 3, 4));
    const second = port.put(Float32Array.of(5, 6));
    expect([...ours.values(first, 4)]).toEqual([1, 2, 3, 4]);
    ours.release();
    const third = port.put(Float32Array.of(7, 8, 9));
    expect([...ours.values(second, 2)]).toEqual([5, 6]);
    ours.release();
    expect([...ours.values(third, 3)]).toEqual([7, 8, 9]);
  });

  it("are refused where they are larger than the largest that is expected: nothing is overwritten", () => {
    const port = new Handover(new Handover(2).buffer);
    expect(() => port.put(Float32Array.of(1, 2, 3))).toThrow("3 values in room for 2");
  });
});

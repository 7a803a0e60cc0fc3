import { describe, expect, it } from "vitest";
import { InputError } from "../src/errors.js";

describe("InputError", () => {
  it("is one line of printable text, whatever name a file holds", () => {
    const name = "a\nb\u001b[31m\u0000\u202ec\u2028é 日";
    expect(new InputError("name", `m.onnx: ${name}`).message).toBe(
      "m.onnx: a\\u000ab\\u001b[31m\\u0000\\u202ec\\u2028é 日",
    );
  });

  it("cuts what no person would read", () => {
    const { message } = new InputError("name", "x".repeat(10 ** 6));
    expect(message).toHaveLength(4002);
    expect(message.endsWith("x …")).toBe(true);
  });

  it("keeps code and cause", () => {
    const cause = new Error("why");
    const error = new InputError("limit", "much", { cause });
    expect([error.code, error.cause, error.message]).toEqual(["limit", cause, "much"]);
  });
});

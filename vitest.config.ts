import { defineConfig } from "vitest/config";

/** Where `.ci/run` wants the counts of tests. */
const results = process.env["VITEST_RESULTS"];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    // Tests keep nothing in the cache of whoever runs them.
    env: { DIFFTEST_CACHE: "off" },
    ...(results === undefined
      ? {}
      : { reporters: ["default", "json"], outputFile: { json: results } }),
  },
});

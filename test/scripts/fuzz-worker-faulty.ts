/** A stand-in for the fuzzer's child that has each of the faults the fuzzer must find. */
process.on("message", ({ from, to }: { from: number; to: number }) => {
  void run(from, to).then(() => process.exit(0));
});

async function run(from: number, to: number): Promise<void> {
  for (let k = from; k < to; k++) {
    await say({ type: "begin", k });
    if (k === 2) for (;;);
    if (k === 4) process.abort();
    if (k === 5) process.exit(3);
    if (k === 6) await say({ type: "unclean", k, detail: "RangeError: boom" });
    else await say({ type: k % 2 === 0 ? "read" : "refused", k });
  }
}

function say(report: object): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });
}

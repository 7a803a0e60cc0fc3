import { main, type Status } from "../../src/cli.js";

/** What one call of the command wrote and returned. */
export interface MainRun {
  readonly status: Status;
  readonly out: string;
  readonly err: string;
}

/** Runs the real command line in this process and listens to what it writes. */
export async function runMain(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<MainRun> {
  let [out, err] = ["", ""];
  const status = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    colour: { out: false, err: false },
    interactive: false,
    signal,
  });
  return { status, out, err };
}

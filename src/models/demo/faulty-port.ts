import type { Port } from "../../port/port.js";
import { MISTAKES } from "./planted.js";
import { shapesPort } from "./shapes-net.js";

/** The demo's port with two mistakes that ports really have. */
const port: Port<never, never> = shapesPort(MISTAKES) as Port<never, never>;

// biome-ignore lint/style/noDefaultExport: `--model FILE` loads a module's default export
export default port;

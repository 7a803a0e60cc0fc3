import type { Port } from "../../port/port.js";
import { shapesPort } from "./shapes-net.js";

/** The demo's port as it should be. */
const port: Port<never, never> = shapesPort({}) as Port<never, never>;

// biome-ignore lint/style/noDefaultExport: `--model FILE` loads a module's default export
export default port;

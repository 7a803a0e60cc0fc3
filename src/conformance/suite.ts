/** What came of one case of a conformance suite, or of one part of a case. */
export interface CaseResult {
  /** The case's folder name; `id:part` where several things are judged apart. */
  readonly id: string;
  /** The suite's own area, `A`, `B`, …; `A weights` for the weights file beside a case. */
  readonly area: string;
  readonly status: "passed" | "failed" | "not covered";
  /** For people: what was compared, what differed first and by how much, or why it is not covered. */
  readonly detail: string;
  /** Worst distance found, as a fraction of the tolerance; absent where values are equal or not. */
  readonly distance?: number;
  /** Passed by an allowance that goes beyond the suite's own rule, which its values miss: what was found, for people. */
  readonly beyondRule?: string;
}

/** Which cases to run. */
export interface SuiteOptions {
  /** Only cases whose id contains this text. */
  readonly only?: string;
}

/** A format of conformance suites, driven by the manifests in a folder alone. */
export interface Suite {
  readonly id: string;
  /** Whether a folder holds cases of this format. */
  readonly claims: (directory: string) => boolean;
  /** Judges the cases one after the other, in the order of their names. */
  readonly run: (directory: string, options: SuiteOptions) => AsyncGenerator<CaseResult>;
}

import pc from "picocolors";
import type { Colors } from "picocolors/types.js";
import type { GoldenJudgement, JudgedGradient } from "../checks/gradient/judge-golden.js";
import { hanging } from "./hanging.js";
import { shortNumber } from "./numbers.js";
import { tableText } from "./table.js";
import { faultsText } from "./terminal.js";

/** A judgement of a golden's gradients for a terminal: a table, the faults, what was not looked at, a last line. */
export function formatJudgement(judgement: GoldenJudgement, colour: boolean): string {
  const colours = pc.createColors(colour);
  const parts = [
    gradientTable(judgement.gradients, colours),
    approximations(judgement.gradients),
    faultsText(judgement.faults, colours),
    coverageText(judgement),
    summary(judgement, colours),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function gradientTable(gradients: readonly JudgedGradient[], colours: Colors): string {
  const rows = gradients.map((one) => [
    one.step === null ? one.place : `${one.place} (step ${one.step})`,
    shortNumber(one.recorded),
    shortNumber(one.truth),
    shortNumber(one.ratio),
    one.kinks === 0 ? String(one.judged) : `${one.judged} (${one.kinks} kinks)`,
    one.verdict === "same" ? colours.green("same") : colours.red(one.verdict),
  ]);
  return tableText(
    [
      { title: "gradient", align: "left" },
      { title: "recorded", align: "right" },
      { title: "true", align: "right" },
      { title: "error/tol.", align: "right" },
      { title: "judged", align: "right" },
      { title: "verdict", align: "left" },
    ],
    rows,
  );
}

/** What is off and still no fault. */
function approximations(gradients: readonly JudgedGradient[]): string {
  const known = gradients.filter(({ verdict, cause }) => verdict === "same" && cause !== null);
  return known
    .map(({ place, cause, evidence }) =>
      hanging("note  ", `${place}: a known approximation, small here: ${cause} (${evidence})`),
    )
    .join("\n");
}

function coverageText({ coverage, notRecorded }: GoldenJudgement): string {
  const lines = [
    `judged     ${coverage.compared} of ${coverage.total} gradients, by the definitions in float64`,
  ];
  if (notRecorded.length > 0)
    lines.push(hanging("           not recorded: ", notRecorded.join(", "), 11));
  return lines.join("\n");
}

function summary({ verdict, faults, reference }: GoldenJudgement, colours: Colors): string {
  const who = `${reference.name} ${reference.version}`;
  if (verdict === "same") {
    return `${colours.green(colours.bold("same"))}: the gradients recorded by ${who} are those of its loss`;
  }
  const places = faults.map(({ place }) => place);
  const named = `${places.slice(0, 5).join(", ")}${places.length > 5 ? ", …" : ""}`;
  return `${colours.red(colours.bold("differs"))}: the reference is at fault, ${who}, at ${named}`;
}

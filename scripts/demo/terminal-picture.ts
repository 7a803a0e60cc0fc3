/** One run of letters that look the same. */
interface Run {
  readonly text: string;
  readonly column: number;
  readonly style: Style;
}

interface Style {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly colour: string;
}

/** Size of a letter in the picture's units. */
const CELL = { width: 8.4, height: 18 };
const MARGIN = 16;
const TEXT = "#d6deeb";
const BACKGROUND = "#0d1b2a";
/** What the numbers of ANSI's colours look like: those that the report uses. */
const COLOURS: Readonly<Record<number, string>> = { 31: "#ff6b6b", 32: "#7bd88f", 33: "#ffd166" };
const PLAIN: Style = { bold: false, dim: false, colour: TEXT };

/**
 * Terminal output as a picture: SVG with real text, every run of letters at its own column, so that
 * columns stand under each other in whatever fixed-width font there is.
 *
 * @param text - with ANSI colour codes; lines wider than `columns` are broken before an option
 */
export function terminalPicture(text: string, columns: number): string {
  const lines = text
    .trimEnd()
    .split("\n")
    .flatMap((line) => broken(line, columns));
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = lines.length * CELL.height + 2 * MARGIN;
  let style = PLAIN;
  const rows = lines.map((line, row) => {
    const { runs, last } = runsOf(line, style);
    style = last;
    const y = MARGIN + (row + 0.75) * CELL.height;
    const parts = runs.filter(({ text }) => text.trim() !== "").map(runText);
    return parts.length === 0 ? "" : `<text y="${y}">${parts.join("")}</text>\n`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    "<style>text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }</style>",
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    `${rows.join("")}</svg>`,
    "",
  ].join("\n");
}

function runText({ text, column, style }: Run): string {
  const lead = text.length - text.trimStart().length;
  const shown = text.trim();
  const x = (MARGIN + (column + lead) * CELL.width).toFixed(1);
  const look = [
    `fill="${style.colour}"`,
    ...(style.bold ? ['font-weight="bold"'] : []),
    ...(style.dim ? ['opacity="0.6"'] : []),
  ];
  const length = (shown.length * CELL.width).toFixed(1);
  return `<tspan x="${x}" textLength="${length}" lengthAdjust="spacingAndGlyphs" ${look.join(" ")}>${escaped(shown)}</tspan>`;
}

/** Splits a line at its colour codes. */
function runsOf(line: string, start: Style): { readonly runs: Run[]; readonly last: Style } {
  const runs: Run[] = [];
  let [style, column] = [start, 0];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour code
  for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
    if (part.startsWith("\u001b[")) {
      for (const code of part.slice(2, -1).split(";")) style = styled(style, Number(code));
      continue;
    }
    // Blanks that align columns are left out: where a run begins, its `x` says.
    for (const text of part.split(/( {2,})/)) {
      if (text !== "") runs.push({ text, column, style });
      column += text.length;
    }
  }
  return { runs, last: style };
}

function styled(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  return { ...style, colour: COLOURS[code] ?? TEXT };
}

/** Breaks a long line, which is a command, before its options; what follows is indented. */
function broken(line: string, columns: number): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour code
  const length = line.replace(/\u001b\[[\d;]*m/g, "").length;
  if (length <= columns) return [line];
  const lines: string[] = [];
  let rest = line;
  const indent = " ".repeat(line.startsWith("  again") ? 14 : 4);
  while (rest.length > columns) {
    const at = rest.lastIndexOf(" --", columns - 2);
    if (at <= indent.length) break;
    lines.push(`${rest.slice(0, at)} \\`);
    rest = indent + rest.slice(at + 1);
  }
  return [...lines, rest];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

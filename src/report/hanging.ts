import { PAGE_WIDTH } from "./table.js";

/** Words after a label, wrapped with the following lines indented to the label's width. */
export function hanging(label: string, text: string, indent: number = label.length): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > PAGE_WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return label + [...lines, line].join(`\n${" ".repeat(indent)}`);
}

/** What running tasks are called in a profile: their key's prefix, then the kernels of the program, or the user's function. */
import { type Key, keyPrefix, type Step, type TaskSpec } from "../graph/index.ts";
import type { ProfilePlace } from "../protocol/index.ts";

/** A place and its identifier, as Dask makes it: name, file, first line. */
export interface Place {
  readonly identifier: string;
  readonly description: ProfilePlace;
}

/** Letters of a name; programs may have hundreds of kernels. */
const NAME_MAX = 120;
/** Texts of functions whose places are kept. */
const TEXTS_MAX = 256;

/** File of functions, which come as texts. */
export const FUNCTION_FILE = "<function>";

const ofSpecs = new WeakMap<TaskSpec, readonly Place[]>();
const ofTexts = new Map<string, Place>();

/** A place of this name. */
export function placeOf(
  name: string,
  filename: string,
  { lineNumber = 0, line = "" }: { readonly lineNumber?: number; readonly line?: string } = {},
): Place {
  const short = cut(name);
  const description = { filename, name: short, lineNumber, line: cut(line) };
  return { identifier: `${short};${filename};${lineNumber}`, description };
}

function cut(text: string): string {
  return text.length > NAME_MAX ? `${text.slice(0, NAME_MAX - 1)}…` : text;
}

/** Place of all tasks whose keys have this prefix. */
export function taskPlace(prefix: string): Place {
  return placeOf(prefix, "<task>");
}

/** Places of a running task, from the outermost in. */
export function placesOf(key: Key, program: TaskSpec | string): Place[] {
  return [taskPlace(keyPrefix(key)), ...placesOfProgram(program)];
}

/** Known programs and texts are looked up: a profile asks for the same few again and again. */
function placesOfProgram(program: TaskSpec | string): readonly Place[] {
  if (typeof program === "string") return [functionPlace(program)];
  let places = ofSpecs.get(program);
  if (places === undefined) {
    places = specPlaces(program);
    ofSpecs.set(program, places);
  }
  return places;
}

/** A function is all that a single call runs; among kernels it is one of them. */
function specPlaces({ steps }: TaskSpec): readonly Place[] {
  const names = new Set(steps.flatMap(stepNames));
  const call = steps.find((step) => step.do === "call");
  if (call && names.size === 1) return [functionPlace(call.text)];
  return [placeOf(Array.from(names).join(", ") || (steps.at(-1)?.do ?? ""), "<kernels>")];
}

/** What a step computes; values that are given in the program are no work. */
function stepNames(step: Step): string[] {
  switch (step.do) {
    case "literal":
      return [];
    case "call":
      return [functionPlace(step.text).description.name];
    case "map":
      return operations(step);
    case "reduce":
    case "select":
      return [...operations(step), step.spec.op];
    case "combine":
      return [`combine ${step.spec.op}`];
    case "apply":
      return [step.kernel];
    default:
      return [step.do];
  }
}

/** Operations of a fused kernel. */
function operations({ call }: Extract<Step, { readonly do: "map" | "reduce" | "select" }>): string[] {
  return call.kernel.nodes.flatMap(({ op }) => (op === "in" || op === "param" ? [] : [op]));
}

/** A user's function: its text has come without its file. */
function functionPlace(text: string): Place {
  const known = ofTexts.get(text);
  if (known) return known;
  const made = placeOf(functionName(text), FUNCTION_FILE, { lineNumber: 1, line: text.trim().split("\n", 1)[0] ?? "" });
  if (ofTexts.size >= TEXTS_MAX) ofTexts.delete(ofTexts.keys().next().value as string); // not empty
  ofTexts.set(text, made);
  return made;
}

function functionName(text: string): string {
  const named = /^\s*(?:async\s+)?function\s*\*?\s*([\w$]+)/.exec(text)?.[1];
  // A function of a kernel module: the module's text ends by giving it.
  return named ?? /\breturn ([\w$]+);\s*\}\)\(\)\s*$/.exec(text)?.[1] ?? "(anonymous)";
}

/** Text inside XML and HTML. */

/** Anything but the characters of XML 1.0 (§2.2): controls, halves of pairs, non-characters. */
const NO_CHARACTERS = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/** Text safe inside XML and HTML, in elements and in attributes in double quotes. What is no character there becomes `U+FFFD`. */
export function escapeXml(text: string): string {
  return text
    .replace(NO_CHARACTERS, "\uFFFD")
    .replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string);
}

import { expect, test } from "vitest";
import { escapeXml } from "../../src/base/index.ts";

test("text is safe in elements and in attributes in double quotes", () => {
  expect(escapeXml(`a < b && "c" > 'd'`)).toBe("a &lt; b &amp;&amp; &quot;c&quot; &gt; 'd'");
  expect(escapeXml("&lt;")).toBe("&amp;lt;");
});

test("what is no character of XML becomes one; all others stay", () => {
  // XML 1.0, production 2: tab, line feed, carriage return, and from U+0020 on all but surrogates, U+FFFE and U+FFFF.
  const kept = "\t\n\r\u0020\u007f\ud7ff\ue000\ufffd\u{10000}\u{10ffff}";
  expect(escapeXml(kept)).toBe(kept);
  expect(escapeXml("\u0000.\u0008.\u000b.\u001f.\ufffe.\uffff.\ud800.\udc00")).toBe(
    Array.from({ length: 8 }, () => "\ufffd").join("."),
  );
});

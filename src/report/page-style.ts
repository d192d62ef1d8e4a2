/** Looks of the report's page: the system's letters, light and dark as the reader has it. */
export const PAGE_STYLE = `
:root{--ground:#fff;--ink:#1d2430;--faint:#667085;--line:#e3e7ee;--card:#f6f8fb;--accent:#2563c9;--erred:#000;--warn:#b42318}
@media (prefers-color-scheme:dark){:root{--ground:#12161d;--ink:#e4e8ef;--faint:#95a0b3;--line:#2a313d;--card:#1a202a;--accent:#7fb0ff;--erred:#fff;--warn:#ff9b8f}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main{max-width:1160px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
h1{font-size:26px;font-weight:650;letter-spacing:-.01em;margin:0}
header p{color:var(--faint);margin:2px 0 12px}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;padding:8px 0;border-bottom:1px solid var(--line)}
nav a{color:var(--accent);text-decoration:none;font-size:14px}
nav a:hover{text-decoration:underline}
section{margin:26px 0 36px}
h2{font-size:18px;font-weight:620;margin:0 0 10px}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(165px,1fr));gap:10px;margin:0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
dt{color:var(--faint);font-size:13px}
dd{margin:0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
dd.more{font-size:12px;font-weight:400;color:var(--faint)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:500;color:var(--faint);white-space:nowrap}
th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--line)}
th:has(+th){padding-right:14px}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.bar{width:18%;min-width:80px}
td.bar b{display:block;height:10px;border-radius:2px;min-width:1px}
i{display:inline-block;width:11px;height:11px;border-radius:2px;vertical-align:-1px}
i.erred{background:var(--erred)}
.legend{color:var(--faint);font-size:13px;margin:0 0 8px}
.legend i{margin-left:12px}
.legend i:first-child{margin-left:0}
svg{display:block;width:100%;min-width:720px;height:auto;font:11px system-ui,sans-serif}
svg text{fill:var(--faint)}
svg .axis path,svg .lanes path{stroke:var(--line);stroke-width:1;fill:none}
svg .erred{fill:var(--erred)}
svg .lines path{fill:none;stroke-width:1.6;stroke-linejoin:round}
svg .bars rect:hover{stroke:var(--ink);stroke-width:1}
.note{color:var(--faint);font-size:13px;margin:6px 0}
.error{border-left:4px solid var(--warn);background:var(--card);color:var(--warn);padding:10px 14px;margin:20px 0;white-space:pre-wrap}
details{border:1px solid var(--line);border-radius:8px;padding:6px 12px;margin:6px 0}
summary{cursor:pointer}
summary span{color:var(--faint);font-size:13px}
pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0;background:var(--card);border-radius:8px;padding:10px 12px}
@media print{nav{display:none}details{break-inside:avoid}}
`;

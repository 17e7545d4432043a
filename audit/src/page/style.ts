/**
 * The style of a report: readable in light and dark, on a phone, on paper, and with the keyboard. All colours stand in two tables, so that a
 * test can hold their contrast (WCAG 2.1 AA: 4.5 for text, 3 for what is drawn).
 *
 * @module
 */

/** `paper`, `panel`: behind text. `ink`, `soft`: text. `good` to `bad`: text and lines that carry a verdict. `line`: frames. */
export const LIGHT = {
  paper: "#ffffff",
  panel: "#f3f5f7",
  ink: "#16202a",
  soft: "#4a5763",
  line: "#788592",
  link: "#0b559f",
  good: "#0f6b3a",
  limited: "#7a4f00",
  open: "#4a5763",
  bad: "#a8161f",
} as const;

export const DARK = {
  paper: "#10161c",
  panel: "#1b242d",
  ink: "#e8edf2",
  soft: "#aebac6",
  line: "#7c8b99",
  link: "#8cc2ff",
  good: "#6fd79c",
  limited: "#f0c067",
  open: "#aebac6",
  bad: "#ff9a9a",
} as const;

const variables = (colours: Readonly<Record<string, string>>): string =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(";");

export const STYLE = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
header,main,footer{max-width:66rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.25rem}
h1{font-size:1.5rem;line-height:1.25;margin:.25rem 0}
h2{font-size:1.2rem;line-height:1.3;margin:2rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
p,ul,dl{margin:.5rem 0}
a{color:var(--link)}
a:focus-visible,[tabindex]:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100vw}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem 1rem}
.about,footer,caption,figcaption,.note{color:var(--soft)}
.about,dd,li,p,code,td.code{overflow-wrap:anywhere}
td{overflow-wrap:break-word;max-width:24rem}
.verdict{border:2px solid;border-left-width:.6rem;background:var(--panel);padding:.75rem 1rem;margin:1rem 0}
.verdict h2{border:0;margin:0;padding:0;font-size:1.5rem}
.verdict p{color:var(--ink)}
.good{color:var(--good)}.limited{color:var(--limited)}.open{color:var(--open)}.bad{color:var(--bad)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.25rem 1rem}
dt{color:var(--soft)}dd{margin:0}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption,figcaption{text-align:left;padding:.25rem 0;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th.number,td.number{padding-left:.6rem;padding-right:1.2rem}
.code,code,pre{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.85rem}
td.code{min-width:14rem}
@media (min-width:50rem){td.time{white-space:nowrap;max-width:none}}
pre{background:var(--panel);padding:.75rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0}
.mark{font-weight:600;white-space:nowrap}
figure{margin:.75rem 0}
svg{display:block;width:100%;height:auto;font-size:11px}
svg text{fill:var(--soft)}
.curve{fill:none;stroke:var(--link);stroke-width:1.5;vector-effect:non-scaling-stroke}
.frame{fill:none;stroke:var(--line)}
.whole{fill:var(--good)}.explained{fill:var(--limited)}.unexplained{fill:var(--bad)}.empty{fill:none;stroke:var(--line)}
.cross{stroke:var(--paper);stroke-width:2}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;font-size:.9rem}
.legend svg{display:inline-block;width:.9rem;height:.9rem;vertical-align:-.1rem;margin-right:.35rem}
.bar.good{fill:var(--good)}.bar.limited{fill:var(--limited)}.bar.open{fill:var(--open)}.bar.bad{fill:var(--bad)}
.bars td:nth-child(3){width:45%}
.bars svg{height:1rem}
footer{margin-top:2rem;padding-bottom:2rem;font-size:.85rem}
@media (max-width:34rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}h1,.verdict h2{font-size:1.25rem}}
@media print{:root{${variables(LIGHT)}}@page{margin:16mm}body{font-size:10pt}nav,.skip{display:none}h2,h3{break-after:avoid}tr,figure,.verdict,dl{break-inside:avoid}thead{display:table-header-group}.scroll{overflow:visible}}
`;

// SPDX-License-Identifier: Apache-2.0
#include "report_style.hpp"

namespace cli {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --faint: #5a5a5a; --rule: #d4d4d4; --wash: #f3f4f6;
  --c0: #0072b2; --c1: #d55e00; --c2: #00815f; --c3: #000000; --c4: #b0588e; --c5: #a87400; --c6: #2f8fc4; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --faint: #a9adb5;
  --rule: #3b3f47; --wash: #22252b; --c0: #56b4e9; --c1: #ff8b3d; --c2: #2fc79a; --c3: #ffffff; --c4: #e39ac6;
  --c5: #e6b93f; --c6: #9ad0f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--rule); }
h3, h4 { font-size: 1.05rem; margin: 1.3rem 0 .4rem; }
p, ul, ol { max-width: 46rem; }
pre, code { font: .87rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: var(--wash); padding: .7rem .9rem; overflow-x: auto; border-radius: 4px; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.verdict { background: var(--wash); border-left: 6px solid var(--c0); padding: .7rem 1rem; margin: 1rem 0; }
.verdict p { margin: .2rem 0; }
.note { border-left: 6px solid var(--c1); background: var(--wash); padding: .5rem 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0 1rem; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: .35rem; }
th, td { padding: .22rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th[scope=row] { text-align: left; font-weight: normal; }
td.text { text-align: left; white-space: normal; min-width: 16rem; }
td.few { background: repeating-linear-gradient(45deg, transparent 0 4px, var(--rule) 4px 5px); color: var(--faint);
  text-align: center; }
figure { margin: 1rem 0 1.6rem; }
figcaption { color: var(--faint); font-size: .92rem; }
figure svg { display: block; width: 100%; height: auto; }
figure.picture svg { background: #ffffff; border-radius: 4px; }
.chart { max-width: 50rem; font-size: 12.5px; }
.chart text { fill: var(--ink); stroke: none; }
.chart path { fill: none; }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .axis { stroke: var(--ink); stroke-width: 1; }
.chart .line { stroke-width: 1.8; stroke-linejoin: round; }
.chart .ref { stroke: var(--ink); stroke-width: 1.3; stroke-dasharray: 1.5 3; }
.chart .s0 { stroke: var(--c0); }
.chart .s1 { stroke: var(--c1); stroke-dasharray: 9 4; }
.chart .s2 { stroke: var(--c2); stroke-dasharray: 3 3; }
.chart .s3 { stroke: var(--c3); stroke-dasharray: 10 3 2 3; }
.chart .s4 { stroke: var(--c4); stroke-dasharray: 6 2 2 2 2 2; }
.chart .s5 { stroke: var(--c5); stroke-dasharray: 14 3; }
.chart .s6 { stroke: var(--c6); stroke-dasharray: 5 5; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .5rem 0 1rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--faint); }
footer { margin-top: 3rem; color: var(--faint); font-size: .9rem; }
@page { size: A4; margin: 15mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, tr, .verdict { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
  .wide, pre { overflow: visible; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  th, td { padding: .15rem .35rem; }
  table { font-size: 8.5pt; }
  .verdict, .note, td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details:not([open]) { display: none; }
}
)css";

}  // namespace cli

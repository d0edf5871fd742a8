/* The page of a run among the others: links to the runs before and after it, the rank of its numbers, and the reader's
   rating. What it needs of the other runs is in runs.js, which the index writes. Needs ratings.js. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const study = window.niimaskerRuns ?? { study: "", groups: [] };
  const STATES = ["failed", "red", "amber", "excluded", "not started", "complete"];
  const SIGNS = { failed: "✕", red: "!!", amber: "!", excluded: "⊘" };
  const navs = [...document.querySelectorAll("nav.neighbours")];
  if (!navs.length) return;
  const output = navs[0].dataset.run;

  /** Return names of which each is packed without what it shares with the one before. */
  function unpackNames(packed) {
    let before = "";
    return packed.map((text) => {
      const [, nFirst, nLast, middle] = /^(\d+),(\d+),([^]*)$/.exec(text);
      before = before.slice(0, Number(nFirst)) + middle + (Number(nLast) ? before.slice(-Number(nLast)) : "");
      return before;
    });
  }

  function unpackNumbers(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  }

  const groups = study.groups.map((group) => ({ ...group, outputs: unpackNames(group.outputs) }));
  const own = groups.find((group) => group.outputs.includes(output));
  const place = own ? own.outputs.indexOf(output) : -1;

  // ---- ranks

  const ordinal = (n) => {
    const ending = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
    return `${n}${ending}`;
  };

  /** Return the place of a number among those of all runs, in words; "" if it is not known or the only one. */
  function rankOf(values, value) {
    const known = values.filter((each) => !Number.isNaN(each));
    if (Number.isNaN(value) || value === undefined || known.length < 2) return "";
    const nLower = known.filter((each) => each < value).length;
    const nHigher = known.filter((each) => each > value).length;
    const nEqual = known.length - nLower - nHigher;
    if (nEqual === known.length) return `the same in all ${known.length}`;
    const [n, end] = nLower <= nHigher ? [nLower + 1, "lowest"] : [nHigher + 1, "highest"];
    return `${nEqual > 1 ? "joint " : ""}${n > 1 ? `${ordinal(n)} ` : ""}${end} of ${known.length}`;
  }

  function medianOf(values) {
    const sorted = [...values].filter((each) => !Number.isNaN(each)).sort((a, b) => a - b);
    const half = sorted.length / 2;
    return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
  }

  const DECIMALS = { median_tsnr: 1, mean_fd: 2 };
  const NOUNS = { median_tsnr: "median tSNR", mean_fd: "mean FD of all volumes" };
  const UNITS = { median_tsnr: "", mean_fd: " mm" };

  /** Say beside the status that a number is an outlier on the bad side: a low tSNR, or a high mean FD. */
  function showOutlier(key, value, median) {
    const status = document.querySelector("#verdict .status");
    if (!status || value > median !== (key === "mean_fd")) return;
    const write = (number) => `${number.toFixed(DECIMALS[key])}${UNITS[key]}`;
    const pill = Object.assign(document.createElement("span"), { className: "status warn outlier" });
    pill.textContent = `outlier among the runs: ${NOUNS[key]} ${write(value)} (median ${write(median)})`;
    status.parentElement.append(" ", pill);
  }

  if (own) {
    for (const element of document.querySelectorAll("[data-rank]")) {
      const packed = own[element.dataset.rank];
      if (!packed) continue;
      const values = unpackNumbers(packed);
      const isOutlier = own.outliers[element.dataset.rank].includes(place);
      const median = isOutlier ? `, an outlier: the median is ${medianOf(values).toFixed(DECIMALS[element.dataset.rank])}` : "";
      if (isOutlier) showOutlier(element.dataset.rank, values[place], medianOf(values));
      element.textContent = rankOf(values, values[place]) + median;
      element.classList.toggle("outlying", isOutlier);
      element.title = `among the runs with this number${own.pipeline ? ` of pipeline ${own.pipeline}` : ""}, when the page of all runs was last written`;
    }
  }

  // ---- the runs before and after

  /** Return the runs with a page: those of this pipeline in the order of the index's names, then those of the others. */
  function listRuns() {
    const ordered = [own, ...groups.slice(groups.indexOf(own) + 1), ...groups.slice(0, groups.indexOf(own))];
    return ordered.flatMap((group) => {
      const without = new Set(group.without_page);
      const titles = unpackNames(group.titles);
      return group.outputs
        .map((run, at) => ({ run, title: titles[at], state: STATES[Number(group.states[at])], pipeline: group.pipeline, at }))
        .filter(({ at, run }) => !without.has(at) || run === output);
    });
  }

  const root = document.querySelector('script[src$="runs.js"]').getAttribute("src").replace(/assets\/\.\.\/runs\.js$/, "");
  const linkTo = ({ run }) => `${root}${run.split("/").map(encodeURIComponent).join("/")}_report.html`;

  function makeLink(run, { sign, rel, key }) {
    if (!run) return Object.assign(document.createElement("span"), { className: "quiet", textContent: rel === "prev" ? "first run" : "last run" });
    const words = `${SIGNS[run.state] ? `${SIGNS[run.state]} ` : ""}${run.title}${run.pipeline === own.pipeline ? "" : ` (${run.pipeline})`}`;
    const link = Object.assign(document.createElement("a"), { href: linkTo(run), rel, className: `neighbour ${run.state}` });
    link.title = `${rel === "prev" ? "Previous" : "Next"} run (key ${key}): ${run.run}, ${["red", "amber"].includes(run.state) ? "needs a look" : run.state}`;
    link.textContent = rel === "prev" ? `${sign} ${words}` : `${words} ${sign}`;
    return link;
  }

  const runs = own ? listRuns() : [];
  const at = runs.findIndex(({ run }) => run === output);
  const [before, after] = at < 0 ? [null, null] : [runs[at - 1], runs[at + 1]];

  // ---- the rating

  const ratings = openRatings(study.study);
  const rated = [];
  for (const nav of navs) {
    const buttons = makeRatingButtons(ratings, output, { name: "this run", keys: { keep: "K", leave: "L" } });
    rated.push(buttons);
    const problem = Object.assign(document.createElement("p"), { className: "not-kept", hidden: true });
    problem.textContent = `${NOT_KEPT} Rate runs on the page of all runs instead, and save ratings.tsv there.`;
    const links = Object.assign(document.createElement("div"), { className: "links" });
    const index = Object.assign(document.createElement("a"), { href: `${root}index.html`, textContent: "all runs" });
    const position = own ? ` (${(at + 1).toLocaleString("en")} of ${runs.length.toLocaleString("en")})` : "";
    const all = document.createElement("span");
    all.append(index, position);
    if (own) links.append(makeLink(before, { sign: "←", rel: "prev", key: "P" }), all, makeLink(after, { sign: "→", rel: "next", key: "N" }));
    else links.append(all);
    nav.replaceChildren(links, buttons.element, problem);
    nav.hidden = false;
  }
  const show = () => {
    for (const { update } of rated) update();
    for (const problem of document.querySelectorAll(".not-kept")) problem.hidden = ratings.isKept;
  };
  ratings.addEventListener("change", show);
  show();

  const ACTIONS = {
    k: () => rated[0].toggle("keep"),
    l: () => rated[0].toggle("leave"),
    n: () => after && location.assign(linkTo(after)),
    p: () => before && location.assign(linkTo(before)),
  };
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // Fields take letters, and so may a viewer of images.
    if (event.target.closest?.("input, textarea, select, canvas, [contenteditable], [role=application]")) return;
    ACTIONS[event.key.toLowerCase()]?.();
  });
});

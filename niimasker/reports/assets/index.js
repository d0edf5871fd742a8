/* The index page: draws the table of runs with the reader's ratings, and a strip plot of the runs for each measure. Needs
   table.js and ratings.js. */
"use strict";

(() => {
  const STATE_LABELS = {
    failed: ["bad", "✕ failed"],
    red: ["bad", "!! needs a look"],
    amber: ["warn", "! needs a look"],
    excluded: ["plain", "⊘ excluded"],
    "not started": ["plain", "○ not started"],
    complete: ["good", "✓ complete"],
  };
  const SIGNS = { red: "!!", amber: "!" };
  const hasNumbers = (run) => run.needsLook || run.state === "complete";
  const STATES = Object.keys(STATE_LABELS);
  const EDGE = 10; // pixels beside the outermost points
  const AXIS = 20; // pixels for ticks and their numbers
  const HOVER_DISTANCE = 10; // pixels within which the pointer selects a point

  const study = JSON.parse(document.getElementById("study").textContent);
  const hasPipelines = study.pipelines.length > 0;
  const runs = study.runs.map(
    ([name, image, state, reason, page, nWarnings, nRead, values, outlying, nKept, concerns, unfavourable, pipeline]) => ({
      ...{ name, image, state, reason, page, nWarnings, nRead, values, outlying, nKept, unfavourable },
      isOutlier: state === "complete" && unfavourable.length > 0,
      needsLook: state === "red" || state === "amber",
      concerns: concerns.map(([criterion, grade, number]) => ({ ...study.criteria[criterion], grade, number })),
      pipeline: pipeline ?? "",
    })
  );
  const ratings = openRatings(study.id);

  // ---- the table

  function formatValue(value, { decimals }) {
    return value === null ? "n/a" : value.toFixed(decimals);
  }

  /** Return a concern in words, such as "mean FD of kept volumes 0.53 mm, above 0.2 mm". */
  const wordsOf = (concern) => `${concern.noun} ${concern.number}, ${concern.side} ${concern[concern.grade]}`;

  const shared = new Set(study.shared);
  /** Return a name without the parts that the names of all runs share. */
  const shortName = (name) => (shared.size ? name.split(/[_/]/).filter((part) => !shared.has(part)).join("_") : name);

  /** Return a BIDS name that may break after each entity. */
  function breakable(name) {
    return name.split(/(?<=[_/])/).flatMap((part) => [part, makeElement("wbr")]);
  }

  /** Return the numbers in which a run is an outlier on the bad side, such as "median tSNR". */
  const outlyingNouns = (run) => run.unfavourable.map((measure) => study.measures[measure].noun).join(", ");

  function statusCell(run) {
    const [kind, label] = STATE_LABELS[run.state];
    const cell = makeElement("td", {}, makeElement("span", { className: `status ${kind}` }, label));
    if (run.isOutlier) cell.append(makeElement("span", { className: "outlying" }, `, outlier: ${outlyingNouns(run)}`));
    return cell;
  }

  function nameCell(run) {
    const name = makeElement(run.page ? "a" : "span", {}, ...breakable(shortName(run.name)));
    if (run.page) name.href = run.page;
    const cell = makeElement("td", { className: "name", title: `${run.name}, of ${run.image}` });
    if (hasNumbers(run)) {
      cell.append(name);
      for (const concern of run.concerns) {
        cell.append(makeElement("p", { className: `concern ${concern.grade}` }, `${SIGNS[concern.grade]} ${wordsOf(concern)}`));
      }
    } else {
      // The reason takes the columns of a run without numbers.
      cell.colSpan = COLUMNS.length - 2;
      const reason = makeElement("p", { className: "reason" }, run.reason ?? "");
      cell.append(makeElement("div", { className: "unfinished" }, name, reason));
    }
    return cell;
  }

  function measureCell(run, measure, position) {
    const cell = makeElement("td", { className: "number" }, formatValue(run.values[position], measure));
    if (position === 0 && run.nRead !== run.nKept) {
      const kept = measure.key === "n_volumes" ? ` of ${run.nRead}` : `${run.nKept} of ${run.nRead}`;
      cell.append(makeElement("span", { className: "quiet kept", title: "volumes" }, kept));
    }
    const concern = run.concerns.find((each) => each.measure === position);
    if (concern) {
      cell.classList.add(concern.grade);
      cell.prepend(makeElement("span", { className: "sign" }, `${SIGNS[concern.grade]} `));
    }
    if (run.outlying.includes(position)) cell.classList.add("outlier");
    cell.title = [concern && wordsOf(concern), run.outlying.includes(position) && "outlier"].filter(Boolean).join("; ");
    return cell;
  }

  const warningsCell = (run) => makeElement("td", { className: "number" }, String(run.nWarnings ?? "n/a"));
  // Buttons of the rows on the page, which are updated when a rating changes elsewhere.
  let shown = [];
  function ratingCell(run) {
    const buttons = makeRatingButtons(ratings, run.name, { name: shortName(run.name) });
    shown.push(buttons);
    return makeElement("td", { className: "rating" }, buttons.element);
  }

  const COLUMNS = [
    { value: (run) => STATES.indexOf(run.state), cell: statusCell },
    { value: (run) => ratings.of(run.name).rating || null, cell: ratingCell },
    { value: (run) => run.name, cell: nameCell },
    ...(hasPipelines ? [{ value: (run) => run.pipeline, cell: (run) => makeElement("td", {}, run.pipeline) }] : []),
    ...study.measures.map((measure, position) => ({
      value: (run) => run.values[position],
      cell: (run) => measureCell(run, measure, position),
    })),
    { value: (run) => run.nWarnings, cell: warningsCell },
  ];

  /** Return the text that the filter searches: names, reason, concerns, and the keywords of the links on this page. */
  function textOf(run) {
    const words = [run.name, run.image, run.reason ?? "", `status:${run.state.replace(" ", "-")}`];
    if (run.needsLook) words.push("needs:look", ...run.concerns.map(wordsOf));
    if (run.pipeline) words.push(`pipeline:${run.pipeline}`);
    if (run.isOutlier) words.push("is:outlier", `outlier: ${outlyingNouns(run)}`);
    if (run.nWarnings) words.push("has:warnings");
    for (const measure of run.outlying) words.push(`outlier:${study.measures[measure].key}`);
    const { rating, note } = ratings.of(run.name);
    words.push(`rating:${rating || "none"}`);
    if (note) words.push("has:note", note);
    return words.join("\n");
  }

  function elementOf(run) {
    const row = makeElement("tr", { className: run.state === "failed" ? "bad" : run.needsLook ? `look ${run.state}` : "" });
    const columns = hasNumbers(run) ? COLUMNS : COLUMNS.slice(0, 3);
    row.append(...columns.map(({ cell }) => cell(run)));
    return row;
  }

  const source = {
    rows: runs,
    value: (run, column) => COLUMNS[column].value(run) ?? null,
    text: textOf,
    element: elementOf,
    onDraw: () => (shown = []),
  };
  const table = sortableTable(document.querySelector("table.runs"), source);

  function findOnClick(link) {
    link.addEventListener("click", () => table.filter(link.dataset.find));
  }
  for (const link of document.querySelectorAll("[data-find]")) findOnClick(link);

  // ---- ratings of all runs

  const ratingsBar = document.getElementById("ratings");
  const ratingCounts = makeElement("p", { className: "counts" });
  const ratingsMessage = makeElement("output", {});
  const ratingsProblem = makeElement("p", { className: "box warn not-kept", hidden: true }, `${NOT_KEPT} Save ratings.tsv before.`);

  function countRatings() {
    const counts = { keep: 0, leave: 0, none: 0 };
    for (const run of runs) counts[ratings.of(run.name).rating || "none"]++;
    return counts;
  }

  function showRatings() {
    const counts = countRatings();
    const labels = [["keep", "keep"], ["leave", "leave"], ["none", "not rated"]];
    ratingCounts.replaceChildren(
      ...labels.map(([word, label]) => {
        const link = makeElement("a", { className: "status plain", href: "#runs" }, `${counts[word].toLocaleString("en")} ${label}`);
        link.dataset.find = `rating:${word}`;
        findOnClick(link);
        return link;
      })
    );
    for (const { update } of shown) update();
    ratingsProblem.hidden = ratings.isKept;
    table.forgetTexts();
  }

  function saveRatings() {
    const rated = runs
      .toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))
      .map((run) => ({ name: run.name, image: run.image, ...ratings.of(run.name) }))
      .filter(({ rating, note }) => rating || note);
    const url = URL.createObjectURL(new Blob([writeRatings(rated)], { type: "text/tab-separated-values" }));
    makeElement("a", { href: url, download: "ratings.tsv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    ratingsMessage.value = `${rated.length} run${rated.length === 1 ? "" : "s"} in ratings.tsv`;
  }

  async function loadRatings(file) {
    try {
      const read = readRatings(await file.text());
      const names = new Set(runs.map((run) => run.name));
      const known = read.filter(({ run }) => names.has(run));
      // Of two ratings of a run the later one counts; without a time, that of the file.
      const newer = known.filter(({ run, time }) => !time || time >= ratings.of(run).time);
      ratings.merge(newer.map((each) => ({ ...each, time: each.time || new Date().toISOString() })));
      const parts = [`${newer.length} of ${read.length} ratings taken from ${file.name}`];
      if (known.length > newer.length) parts.push(`${known.length - newer.length} older than yours`);
      if (read.length > known.length) parts.push(`${read.length - known.length} of runs that are not in this study`);
      ratingsMessage.value = parts.join("; ");
    } catch (error) {
      ratingsMessage.value = `${file.name} is not a table of ratings: ${error.message}.`;
    }
  }

  function makeRatingsBar() {
    const save = makeElement("button", { type: "button" }, "Save ratings.tsv");
    save.addEventListener("click", saveRatings);
    const field = makeElement("input", { type: "file", accept: ".tsv,.csv,.txt", hidden: true });
    field.addEventListener("change", () => {
      if (field.files.length) loadRatings(field.files[0]);
      field.value = "";
    });
    const load = makeElement("button", { type: "button" }, "Read ratings.tsv");
    load.addEventListener("click", () => field.click());
    const help = makeElement(
      "p",
      { className: "quiet" },
      "Rate each run here or on its page: keep it, or leave it out. The ratings stay in this browser. Save them to share them, and to leave runs out with ",
      makeElement("code", {}, "niimasker --exclude ratings.tsv"),
      "."
    );
    ratingsBar.append(help, makeElement("div", { className: "rating-tools" }, ratingCounts, save, load, field, ratingsMessage), ratingsProblem);
    ratingsBar.hidden = false;
  }

  makeRatingsBar();
  ratings.addEventListener("change", showRatings);
  showRatings();

  // ---- the strip plots

  /** Return round numbers that divide a range into about nParts parts. */
  function ticks([low, high], nParts) {
    const rough = (high - low) / nParts || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => 1.5 * factor * power >= rough);
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.floor(high / step + 1e-9) - first + 1;
    return Array.from({ length: count }, (_, position) => Number(((first + position) * step).toPrecision(12)));
  }

  /** Return a mark for each run with a value: whether it is an outlier, and on which side it is beyond the axis. */
  function marksOf({ measure, axis_range: [low, high] }) {
    return runs
      .filter((run) => run.values[measure] !== null)
      .map((run) => {
        const value = run.values[measure];
        // The grade of this number; the verdict on the run may follow from another one.
        const grade = run.needsLook ? run.concerns.find((concern) => concern.measure === measure)?.grade : undefined;
        return { run, value, grade, isOutlier: run.outlying.includes(measure), beyond: value > high ? 1 : value < low ? -1 : 0 };
      });
  }

  class Strip {
    constructor(figure, strip) {
      this.figure = figure;
      this.canvas = figure.querySelector("canvas");
      this.strip = strip;
      this.measure = study.measures[strip.measure];
      this.marks = marksOf(strip);
      this.tip = makeElement("div", { className: "tip", hidden: true });
      figure.append(this.tip);
      figure.numbers = () => this.tabulate();
      new ResizeObserver(() => this.resize()).observe(this.canvas);
      this.canvas.addEventListener("pointermove", (event) => this.point(this.markAt(event)));
      this.canvas.addEventListener("pointerleave", () => this.point(null));
      this.canvas.addEventListener("click", (event) => this.open(this.markAt(event)));
    }

    /** Return the runs with their values, for downloads.js. */
    tabulate() {
      const pipeline = (run) => (hasPipelines ? [run.pipeline] : []);
      const rows = this.marks.map(({ run, value }) => [run.name, ...pipeline(run), value]);
      return [["run", ...(hasPipelines ? ["pipeline"] : []), this.measure.key], ...rows];
    }

    resize() {
      const { width, height } = this.canvas.getBoundingClientRect();
      if (!width) return;
      // At least two dots per pixel, for printing.
      const dots = Math.max(2, window.devicePixelRatio);
      Object.assign(this.canvas, { width: Math.round(width * dots), height: Math.round(height * dots) });
      this.size = { width, height: height - AXIS };
      this.context = this.canvas.getContext("2d");
      this.context.scale(dots, dots);
      this.place();
      this.draw();
    }

    /** Return the x pixel of a value; a value beyond the axis is placed at its end. */
    x(value) {
      const [low, high] = this.strip.axis_range;
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return EDGE + Math.min(Math.max(share, 0), 1) * (this.size.width - 2 * EDGE);
    }

    /** Set the pixel of each mark; marks with nearly the same value are stacked around the middle, as in a swarm plot. */
    place() {
      const stacks = new Map();
      for (const mark of this.marks) {
        mark.x = this.x(mark.value);
        const bin = Math.round(mark.x / (this.marks.length > 400 ? 4 : 6));
        if (!stacks.has(bin)) stacks.set(bin, []);
        stacks.get(bin).push(mark);
      }
      const highest = Math.max(1, ...[...stacks.values()].map((stack) => stack.length));
      const step = Math.min(5, (this.size.height - 2 * EDGE) / highest);
      for (const stack of stacks.values()) {
        stack.forEach((mark, rank) => {
          mark.y = this.size.height / 2 + Math.ceil(rank / 2) * (rank % 2 ? step : -step);
        });
      }
    }

    color(name) {
      return getComputedStyle(this.figure).getPropertyValue(name);
    }

    draw(pointed = null) {
      const { context, size } = this;
      context.clearRect(0, 0, size.width, size.height + AXIS);
      this.drawAxis();
      // The median line is drawn behind few points, which it would hide, and in front of many, which would hide it.
      const isCrowded = this.marks.length > 400;
      this.drawLimits();
      if (!isCrowded) this.drawMedian();
      this.drawPoints(isCrowded ? { radius: 1.5, alpha: 0.35 } : { radius: 2.75, alpha: 0.6 });
      if (isCrowded) this.drawMedian();
      for (const mark of this.marks) if (mark.grade && !mark.isOutlier) this.drawConcern(mark, isCrowded);
      for (const mark of this.marks) if (mark.isOutlier) this.drawOutlier(mark);
      if (pointed) {
        context.strokeStyle = this.color("--ink");
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(pointed.x, pointed.y, 7, 0, 2 * Math.PI);
        context.stroke();
      }
    }

    drawAxis() {
      const { context, size } = this;
      Object.assign(context, { strokeStyle: this.color("--line"), fillStyle: this.color("--quiet"), lineWidth: 1 });
      context.font = "11px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillRect(EDGE, size.height, size.width - 2 * EDGE, 1);
      for (const value of ticks(this.strip.axis_range, size.width / 80)) {
        const x = Math.round(this.x(value));
        context.fillRect(x, size.height, 1, 4);
        // The number of an outermost tick is moved inside the canvas.
        const half = context.measureText(String(value)).width / 2;
        context.fillText(String(value), Math.min(Math.max(x, half), size.width - half), size.height + 16);
      }
    }

    drawMedian() {
      this.context.fillStyle = this.color("--ink");
      this.context.fillRect(Math.round(this.x(this.strip.median)) - 1, 2, 2, this.size.height - 2);
    }

    drawPoints({ radius, alpha }) {
      const { context } = this;
      context.globalAlpha = alpha;
      context.fillStyle = this.color("--accent");
      for (const mark of this.marks) {
        if (mark.isOutlier || mark.grade) continue;
        context.beginPath();
        context.arc(mark.x, mark.y, radius, 0, 2 * Math.PI);
        context.fill();
      }
      context.globalAlpha = 1;
    }

    /** Draw the thresholds that lie on the axis as dashed lines. */
    drawLimits() {
      const { context, size } = this;
      const [low, high] = this.strip.axis_range;
      ["amber", "red"].forEach((grade, place) => {
        const limit = this.strip.limits?.[place];
        if (limit === undefined || limit < low || limit > high) return;
        const x = Math.round(this.x(limit)) + 0.5;
        context.strokeStyle = this.color(`--${grade}`);
        context.lineWidth = 1.5;
        context.setLineDash(place ? [7, 3] : [3, 3]);
        context.beginPath();
        context.moveTo(x, 2);
        context.lineTo(x, size.height);
        context.stroke();
        context.setLineDash([]);
      });
    }

    /** Draw a ring for a number that is amber, and a square for one that is red. */
    drawConcern({ grade, x, y }, isCrowded) {
      const { context } = this;
      const r = isCrowded ? 2.5 : 3.75;
      context.beginPath();
      if (grade === "red") {
        context.rect(x - r, y - r, 2 * r, 2 * r);
        Object.assign(context, { fillStyle: this.color("--red"), strokeStyle: "#fff", lineWidth: 0.75 });
      } else {
        context.arc(x, y, r, 0, 2 * Math.PI);
        Object.assign(context, { fillStyle: "#fff", strokeStyle: this.color("--amber"), lineWidth: isCrowded ? 1.5 : 2 });
      }
      context.fill();
      context.stroke();
    }

    /** Draw a diamond, or a triangle that points beyond the axis; the shapes do not depend on seeing colours. */
    drawOutlier({ x, y, beyond }) {
      const { context } = this;
      const r = 4.5;
      const corners = beyond ? [[-beyond * 3, -r], [beyond * 6, 0], [-beyond * 3, r]] : [[0, -r], [r, 0], [0, r], [-r, 0]];
      context.beginPath();
      for (const [dx, dy] of corners) context.lineTo(x + dx, y + dy);
      context.closePath();
      Object.assign(context, { fillStyle: this.color("--outlier"), strokeStyle: "#fff", lineWidth: 0.75 });
      context.fill();
      context.stroke();
    }

    /** Return the mark under the pointer; outliers take precedence. */
    markAt({ offsetX, offsetY }) {
      let [best, nearest] = [null, HOVER_DISTANCE];
      for (const mark of this.marks) {
        const distance = Math.hypot(mark.x - offsetX, mark.y - offsetY) - (mark.isOutlier ? HOVER_DISTANCE / 2 : 0);
        if (distance < nearest) [best, nearest] = [mark, distance];
      }
      return best;
    }

    point(mark) {
      if (mark === this.pointed) return;
      this.pointed = mark;
      this.draw(mark);
      this.canvas.style.cursor = mark?.run.page ? "pointer" : "";
      this.tip.hidden = !mark;
      if (!mark) return;
      const value = `${formatValue(mark.value, this.measure)} ${this.measure.unit}`.trim();
      this.tip.replaceChildren(makeElement("b", {}, value), ` ${shortName(mark.run.name)}`);
      const free = this.figure.clientWidth - this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, Math.min(mark.x - this.tip.offsetWidth / 2, free))}px`;
      this.tip.style.top = `${this.canvas.offsetTop + mark.y + 12}px`;
    }

    open(mark) {
      if (mark?.run.page) window.location.href = mark.run.page;
    }
  }

  document.querySelectorAll("figure.strip").forEach((figure, position) => new Strip(figure, study.strips[position]));
})();

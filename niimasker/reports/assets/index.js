/* The index page: draws the table of runs, and a strip plot of the runs for each measure. Needs table.js. */
"use strict";

(() => {
  const STATUS_LABELS = {
    failed: ["bad", "✕ failed"],
    excluded: ["plain", "⊘ excluded"],
    "not started": ["warn", "○ not started"],
    done: ["good", "✓ done"],
  };
  const hasNumbers = (run) => run.status === "done";
  const STATUSES = Object.keys(STATUS_LABELS);
  const EDGE = 10; // pixels beside the outermost points
  const AXIS = 20; // pixels for ticks and their numbers
  const HOVER_DISTANCE = 10; // pixels within which the pointer selects a point

  const study = JSON.parse(document.getElementById("study").textContent);
  const hasPipelines = study.pipelines.length > 0;
  const FIRST_MEASURE = hasPipelines ? 3 : 2;
  const runs = study.runs.map(([name, image, status, reason, page, nWarnings, nRead, values, outlying, pipeline]) => {
    return { name, image, status, reason, page, nWarnings, nRead, values, outlying, pipeline: pipeline ?? "" };
  });

  // ---- the table

  function formatValue(value, { decimals }) {
    return value === null ? "n/a" : value.toFixed(decimals);
  }

  function valueOf(run, column) {
    if (column === 0) return STATUSES.indexOf(run.status);
    if (column === 1) return run.name;
    if (column < FIRST_MEASURE) return run.pipeline;
    return (column < FIRST_MEASURE + study.measures.length ? run.values[column - FIRST_MEASURE] : run.nWarnings) ?? null;
  }

  /** Return the text that the filter searches: names, reason, and the keywords of the links on this page. */
  function textOf(run) {
    const words = [run.name, run.image, run.reason ?? "", `status:${run.status.replace(" ", "-")}`];
    if (run.pipeline) words.push(`pipeline:${run.pipeline}`);
    if (run.nWarnings) words.push("has:warnings");
    for (const measure of run.outlying) words.push(`outlier:${study.measures[measure].key}`);
    return words.join("\n");
  }

  /** Return a BIDS name that may break after each entity. */
  function breakable(name) {
    return name.split(/(?<=[_/])/).flatMap((part) => [part, makeElement("wbr")]);
  }

  function nameCell(run) {
    const name = makeElement(run.page ? "a" : "span", {}, ...breakable(run.name));
    if (run.page) name.href = run.page;
    const cell = makeElement("td", { className: "name", title: run.image });
    if (hasNumbers(run)) {
      cell.append(name);
    } else {
      // The reason takes the columns of a run without numbers.
      cell.colSpan = study.measures.length + FIRST_MEASURE;
      const reason = makeElement("p", { className: "reason" }, run.reason ?? "");
      cell.append(makeElement("div", { className: "unfinished" }, name, reason));
    }
    return cell;
  }

  function numberCells(run) {
    const cells = study.measures.map((measure, position) => {
      const cell = makeElement("td", { className: "number" }, formatValue(run.values[position], measure));
      if (position === 0 && run.nRead !== run.values[0]) {
        cell.append(makeElement("span", { className: "quiet" }, ` of ${run.nRead}`));
      }
      if (run.outlying.includes(position)) {
        cell.classList.add("outlier");
        cell.title = "outlier";
      }
      return cell;
    });
    return [...cells, makeElement("td", { className: "number" }, String(run.nWarnings ?? "n/a"))];
  }

  function elementOf(run) {
    const [kind, label] = STATUS_LABELS[run.status];
    const row = makeElement("tr", { className: run.status === "failed" ? "bad" : "" });
    row.append(makeElement("td", {}, makeElement("span", { className: `status ${kind}` }, label)), nameCell(run));
    if (hasPipelines && hasNumbers(run)) row.append(makeElement("td", {}, run.pipeline));
    if (hasNumbers(run)) row.append(...numberCells(run));
    return row;
  }

  const source = { rows: runs, value: valueOf, text: textOf, element: elementOf };
  const table = sortableTable(document.querySelector("table.runs"), source);
  for (const link of document.querySelectorAll("[data-find]")) {
    link.addEventListener("click", () => table.filter(link.dataset.find));
  }

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
        return { run, value, isOutlier: run.outlying.includes(measure), beyond: value > high ? 1 : value < low ? -1 : 0 };
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
      new ResizeObserver(() => this.resize()).observe(this.canvas);
      this.canvas.addEventListener("pointermove", (event) => this.point(this.markAt(event)));
      this.canvas.addEventListener("pointerleave", () => this.point(null));
      this.canvas.addEventListener("click", (event) => this.open(this.markAt(event)));
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
        const bin = Math.round(mark.x / 4);
        if (!stacks.has(bin)) stacks.set(bin, []);
        stacks.get(bin).push(mark);
      }
      const highest = Math.max(1, ...[...stacks.values()].map((stack) => stack.length));
      const step = Math.min(5, (this.size.height - 12) / highest);
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
      if (!isCrowded) this.drawMedian();
      this.drawPoints(isCrowded ? { radius: 1.5, alpha: 0.35 } : { radius: 2.75, alpha: 0.6 });
      if (isCrowded) this.drawMedian();
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
        if (mark.isOutlier) continue;
        context.beginPath();
        context.arc(mark.x, mark.y, radius, 0, 2 * Math.PI);
        context.fill();
      }
      context.globalAlpha = 1;
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
      this.tip.replaceChildren(makeElement("b", {}, value), ` ${mark.run.name}`);
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

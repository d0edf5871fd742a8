/* The page of a study: draws its table of runs and a strip of points for each measure. Needs table.js. */
"use strict";

(() => {
  const SYMBOLS = {
    failed: ["bad", "✕ failed"],
    "not started": ["warn", "○ not started"],
    done: ["good", "✓ done"],
    skipped: ["good", "✓ skipped"],
  };
  const hasNumbers = (run) => run.status === "done" || run.status === "skipped";
  const STATUSES = Object.keys(SYMBOLS);
  const FIRST_MEASURE = 2;
  const EDGE = 10; // pixels beside the outermost points
  const AXIS = 20; // pixels for ticks and their numbers
  const REACH = 10; // pixels from which a point is pointed at

  const study = JSON.parse(document.getElementById("study").textContent);
  const runs = study.runs.map(([name, image, status, reason, page, nWarnings, nRead, values, outlying]) => {
    return { name, image, status, reason, page, nWarnings, nRead, values, outlying };
  });

  // ---- the table

  function written(value, { decimals }) {
    return value === null ? "n/a" : value.toFixed(decimals);
  }

  function valueOf(run, column) {
    if (column === 0) return STATUSES.indexOf(run.status);
    if (column === 1) return run.name;
    return (column < FIRST_MEASURE + study.measures.length ? run.values[column - FIRST_MEASURE] : run.nWarnings) ?? null;
  }

  /** What is searched: names and reasons, and the words that the page's own links look for. */
  function textOf(run) {
    const words = [run.name, run.image, run.reason ?? "", `status:${run.status.replace(" ", "-")}`];
    if (run.nWarnings) words.push("has:warnings");
    for (const place of run.outlying) words.push(`outlier:${study.measures[place].key}`);
    return words.join("\n");
  }

  /** A name as BIDS has them breaks behind its entities. */
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
      // A run without numbers leaves their place to the reason.
      cell.colSpan = study.measures.length + 2;
      const reason = makeElement("p", { className: "reason" }, run.reason ?? "");
      cell.append(makeElement("div", { className: "unfinished" }, name, reason));
    }
    return cell;
  }

  function numberCells(run) {
    const cells = study.measures.map((measure, place) => {
      const cell = makeElement("td", { className: "number" }, written(run.values[place], measure));
      if (place === 0 && run.nRead !== run.values[0]) {
        cell.append(makeElement("span", { className: "quiet" }, ` of ${run.nRead}`));
      }
      if (run.outlying.includes(place)) {
        cell.classList.add("outlier");
        cell.title = "outlier";
      }
      return cell;
    });
    return [...cells, makeElement("td", { className: "number" }, String(run.nWarnings ?? "n/a"))];
  }

  function elementOf(run) {
    const [tone, words] = SYMBOLS[run.status];
    const row = makeElement("tr", { className: run.status === "failed" ? "bad" : "" });
    row.append(makeElement("td", {}, makeElement("span", { className: `status ${tone}` }, words)), nameCell(run));
    if (hasNumbers(run)) row.append(...numberCells(run));
    return row;
  }

  const source = { rows: runs, value: valueOf, text: textOf, element: elementOf };
  const table = sortableTable(document.querySelector("table.runs"), source);
  for (const link of document.querySelectorAll("[data-find]")) {
    link.addEventListener("click", () => table.filter(link.dataset.find));
  }

  // ---- the strips

  /** Return round numbers that divide a range into about so many parts. */
  function ticks([low, high], nParts) {
    const rough = (high - low) / nParts || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => 1.5 * factor * power >= rough);
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.floor(high / step + 1e-9) - first + 1;
    return Array.from({ length: count }, (_, place) => Number(((first + place) * step).toPrecision(12)));
  }

  /** Return what is drawn: a run's position, its value and whether it is out of the ordinary. */
  function marksOf({ measure, drawn: [low, high] }) {
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
      // At least two dots a pixel, for paper.
      const dots = Math.max(2, window.devicePixelRatio);
      Object.assign(this.canvas, { width: Math.round(width * dots), height: Math.round(height * dots) });
      this.size = { width, height: height - AXIS };
      this.context = this.canvas.getContext("2d");
      this.context.scale(dots, dots);
      this.place();
      this.draw();
    }

    /** The pixel of a value; what is further out than the axis goes to its edge. */
    x(value) {
      const [low, high] = this.strip.drawn;
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return EDGE + Math.min(Math.max(share, 0), 1) * (this.size.width - 2 * EDGE);
    }

    /** Give each mark its pixels: those of nearly one value are heaped about the middle, as in a violin plot. */
    place() {
      const heaps = new Map();
      for (const mark of this.marks) {
        mark.x = this.x(mark.value);
        const bin = Math.round(mark.x / 4);
        if (!heaps.has(bin)) heaps.set(bin, []);
        heaps.get(bin).push(mark);
      }
      const highest = Math.max(1, ...[...heaps.values()].map((heap) => heap.length));
      const step = Math.min(5, (this.size.height - 12) / highest);
      for (const heap of heaps.values()) {
        heap.forEach((mark, rank) => {
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
      // The median is behind single points, which it would hide, and before a crowd, which would hide it.
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
      for (const value of ticks(this.strip.drawn, size.width / 80)) {
        const x = Math.round(this.x(value));
        context.fillRect(x, size.height, 1, 4);
        // The number of an outermost tick stays on the canvas.
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

    /** A diamond, or a triangle that points out of the axis: shapes, for who does not see the colour. */
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

    /** Return the mark under the pointer, an outlier rather than a point. */
    markAt({ offsetX, offsetY }) {
      let [best, nearest] = [null, REACH];
      for (const mark of this.marks) {
        const distance = Math.hypot(mark.x - offsetX, mark.y - offsetY) - (mark.isOutlier ? REACH / 2 : 0);
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
      const value = `${written(mark.value, this.measure)} ${this.measure.unit}`.trim();
      this.tip.replaceChildren(makeElement("b", {}, value), ` ${mark.run.name}`);
      const free = this.figure.clientWidth - this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, Math.min(mark.x - this.tip.offsetWidth / 2, free))}px`;
      this.tip.style.top = `${this.canvas.offsetTop + mark.y + 12}px`;
    }

    open(mark) {
      if (mark?.run.page) window.location.href = mark.run.page;
    }
  }

  document.querySelectorAll("figure.strip").forEach((figure, place) => new Strip(figure, study.strips[place]));
})();

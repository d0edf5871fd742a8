/* Draws the figures of the run and group pages from the JSON in them, shows the chosen region's signal, and copies the
   methods. Needs arrays.js, selection.js on the page of a run, and labels.js. */
"use strict";

(() => {
  const NARROW = 560;
  // Pixels for names beside and below a figure on a narrow page.
  const NARROW_NAMES = 84;
  // For printing on A4 within its margins, at 96 pixels per inch: the width of figures and of square figures, and the
  // greatest height, which leaves room for a title and a caption on the page.
  const [A4, A4_SQUARE, A4_HEIGHT] = [670, 460, 620];
  const CONFIG = { displaylogo: false, displayModeBar: false, showTips: false };

  /** Return positions in equal steps from 0. */
  const unpackPlaces = ({ places, step }) => Array.from({ length: places }, (_, position) => position * step);

  function unpackTrace(trace) {
    const unpacked = { ...trace };
    for (const key of ["x", "y", "z"]) {
      if (trace[key]?.packed) unpacked[key] = arrays.unpackRows(trace[key]);
      else if (trace[key]?.places) unpacked[key] = unpackPlaces(trace[key]);
    }
    return unpacked;
  }

  /** Return the layout of a figure for the width of the page. */
  function fitted(figure, width, largestSquare = 700) {
    const layout = { ...figure.layout, width };
    const margin = { ...layout.margin };
    if (width < NARROW) {
      const below = Math.max(0, margin.b - NARROW_NAMES);
      layout.height -= below;
      Object.assign(margin, { l: Math.min(margin.l, NARROW_NAMES), r: Math.min(margin.r, 44), b: margin.b - below });
    }
    layout.margin = margin;
    if (figure.square) {
      layout.width = Math.min(width, largestSquare);
      layout.height = layout.width - margin.l - margin.r + margin.t + margin.b;
    }
    return figureLabels.add(figure, layout);
  }

  const drawn = [];

  function draw(container) {
    const figure = arrays.readJson(container.dataset.figure);
    const width = container.clientWidth;
    Plotly.newPlot(container, figure.data.map(unpackTrace), fitted(figure, width), CONFIG);
    figureLabels.keep(container, figure);
    drawn.push({ container, figure, width });
  }

  /** Fit every figure to the width of its container, or to paper. */
  function fitAll({ isPrinted } = {}) {
    for (const entry of drawn) {
      const width = isPrinted ? A4 : entry.container.clientWidth;
      if (width === entry.width || !width) continue;
      entry.width = width;
      const { shapes, annotations, ...layout } = fitted(entry.figure, width, isPrinted ? A4_SQUARE : undefined);
      if (isPrinted) layout.height = Math.min(layout.height, A4_HEIGHT);
      for (const key of Object.keys(layout)) {
        // A reader's zoom is kept; labels.js then fits the names.
        if (/^[xy]axis/.test(key)) delete layout[key];
      }
      Plotly.relayout(entry.container, layout);
    }
  }

  /** Return the position of the name that equals the typed text, else begins with it, else contains it; or -1. */
  function findName(names, typed) {
    const wanted = typed.trim().toLowerCase();
    if (!wanted) return -1;
    const lower = names.map((name) => name.toLowerCase());
    const exact = names.indexOf(typed) >= 0 ? names.indexOf(typed) : lower.indexOf(wanted);
    if (exact >= 0) return exact;
    const starting = lower.findIndex((name) => name.startsWith(wanted));
    return starting >= 0 ? starting : lower.findIndex((name) => name.includes(wanted));
  }

  /** Show the signal of the chosen region, and let the reader choose one by its name. */
  function makeViewer(section) {
    const container = section.querySelector(".viewer");
    const field = section.querySelector(".find-region");
    const found = section.querySelector(".found-region");
    const atlas = selection.atlasOf(section);
    const nVolumes = container.data[0].x.length;
    field.list.append(...atlas.names.map((name) => Object.assign(document.createElement("option"), { value: name })));

    /** Return values of kept volumes at all volumes, null where a volume is not kept. */
    const atAllVolumes = (values) => {
      const all = new Array(nVolumes).fill(null);
      atlas.kept.forEach((volume, row) => (all[volume] = values[row]));
      return all;
    };
    selection.listen(section, ({ row, source, note = "" }) => {
      const [name, colour] = [atlas.names[row], atlas.colours[row]];
      const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
      swatch.style.background = colour;
      const reason = atlas.status[row] ? ` (no signal: ${atlas.status[row]})` : "";
      found.replaceChildren(swatch, name + reason + note);
      if (source && source !== field) field.value = name;
      const curves = { y: [atAllVolumes(atlas.before[row]), atAllVolumes(atlas.after[row])], "line.color": colour };
      Plotly.restyle(container, curves);
      container.setAttribute("aria-label", `Signal of ${name}, before and after cleaning`);
    });
    field.addEventListener("input", () => {
      const row = findName(atlas.names, field.value);
      if (row >= 0) selection.choose(section, row, field);
      else if (field.value.trim()) found.replaceChildren("no region matches this name");
    });
  }

  /** Choose the first region with a signal. */
  function chooseFirst(section) {
    selection.choose(section, Math.max(selection.atlasOf(section).status.indexOf(null), 0), null);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const message = button.parentElement.querySelector("output");
    const text = source.innerText.trim();
    try {
      await navigator.clipboard.writeText(text);
      message.value = "copied";
    } catch {
      // Some browsers do not give a local page access to the clipboard; then the text is selected instead.
      getSelection().selectAllChildren(source);
      message.value = document.execCommand("copy") ? "copied" : "selected; press Ctrl-C to copy";
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const container of document.querySelectorAll("[data-figure]")) draw(container);
    for (const section of document.querySelectorAll(".atlas")) {
      makeViewer(section);
      chooseFirst(section);
    }
    for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
    let waiting = null;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => fitAll(), 100);
    });
    addEventListener("beforeprint", () => fitAll({ isPrinted: true }));
    addEventListener("afterprint", () => fitAll());
    document.documentElement.dataset.drawn = "all";
  });
})();

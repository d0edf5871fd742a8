/* The region that is chosen in each atlas of a run's page; all views of the atlas show it.

   Each <section class="atlas"> is a bus: choosing dispatches a "region" event on it, whose detail has `row`, the row of
   the section's signals, and `source`, the element that chose it. `section.chosenRow` is the current row. A row is a
   column of the table or the mean of neighbouring columns; `section.chosenRegion` is the region that was chosen or the
   one of the row. `section.colouring` is "correlation" where regions have the colours of their correlations with the
   chosen region; a "colouring" event tells of a change. */
"use strict";

const selection = (() => {
  const NO_SIGNAL = [138, 138, 138];
  const known = new WeakMap();

  /** The names, colours and signals of an atlas, and the correlations between its regions. */
  class Atlas {
    constructor(section) {
      Object.assign(this, arrays.readJson(`signals-data-${section.dataset.atlas}`));
      this.before = arrays.unpackRows(this.before);
      this.after = arrays.unpackRows(this.after);
    }

    /** Return the cleaned signal of each region, with mean 0 and length 1; null for a region without a signal. */
    get normalised() {
      if (this.unitSignals) return this.unitSignals;
      const rowsOf = this.rows.map(() => []);
      this.regions.forEach((region, row) => rowsOf[region].push(row));
      this.rows.forEach((row, region) => {
        // A row may be the mean of several regions; it then stands for each of them.
        if (row !== null && !rowsOf[region].length) rowsOf[region].push(row);
      });
      this.unitSignals = rowsOf.map((rows) => normalise(rows.map((row) => this.after[row])));
      return this.unitSignals;
    }

    /** Return the Pearson correlation of a region with every region; null where either has no signal. */
    correlationsWith(region) {
      if (this.seed === region) return this.correlations;
      const signals = this.normalised;
      const seed = signals[region];
      this.seed = region;
      this.correlations = signals.map((signal) => (seed && signal ? dot(seed, signal) : null));
      return this.correlations;
    }

    /** Return a colour for the correlation of a region with every region, as red, green and blue; grey for none. */
    correlationColours(region) {
      const stops = this.scale.map(parse);
      return this.correlationsWith(region).map((r) => (r === null ? NO_SIGNAL : between(stops, (r + 1) / 2)));
    }
  }

  /** Return a colour as red, green and blue, from #rrggbb. */
  const parse = (text) => [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));

  const dot = (one, other) => one.reduce((sum, value, place) => sum + value * other[place], 0);

  /** Return the colour at a share of the way along colours at equal steps. */
  function between(stops, share) {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    return stops[first].map((part, number) => Math.round(part + (stops[first + 1][number] - part) * (place - first)));
  }

  /** Return the mean of signals, centred and of length 1; null if a value is missing or the mean does not vary. */
  function normalise(signals) {
    const complete = signals.filter((signal) => !signal.includes(null));
    if (!complete.length || complete[0].length < 2) return null;
    const mean = Float64Array.from(complete[0], (_, volume) =>
      complete.reduce((sum, signal) => sum + signal[volume], 0) / complete.length
    );
    const centre = mean.reduce((sum, value) => sum + value, 0) / mean.length;
    const centred = mean.map((value) => value - centre);
    const length = Math.sqrt(dot(centred, centred));
    return length > 0 ? centred.map((value) => value / length) : null;
  }

  /** Return the atlas of a section. */
  function atlasOf(section) {
    if (!known.has(section)) known.set(section, new Atlas(section));
    return known.get(section);
  }

  /** Choose a row for all views of a section; `detail` may say more about the choice. */
  function choose(section, row, source, detail = {}) {
    if (!(row >= 0 && row < atlasOf(section).names.length)) return;
    section.dispatchEvent(new CustomEvent("region", { detail: { ...detail, row, source } }));
  }

  /** Choose the row of a region, if any shows it. */
  function chooseRegion(section, region, source) {
    const row = atlasOf(section).rows[region];
    if (row !== null) choose(section, row, source, { region });
  }

  /** Colour the regions in all views of a section by "regions" or by "correlation" with the chosen region. */
  function colour(section, kind) {
    if ((section.colouring ?? "regions") === kind) return;
    section.colouring = kind;
    section.dispatchEvent(new CustomEvent("colouring"));
  }

  /** Call a function at each change of colours, and at once if they are not those of the regions. */
  function listenToColouring(section, show) {
    section.addEventListener("colouring", show);
    if (section.colouring) show();
  }

  /** Call a function with the detail of each choice, and at once with the current one. */
  function listen(section, show) {
    section.addEventListener("region", ({ detail }) => show(detail));
    if (section.chosenRow !== undefined) show({ row: section.chosenRow, source: null });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const section of document.querySelectorAll(".atlas")) {
      section.addEventListener("region", ({ detail }) => {
        section.chosenRow = detail.row;
        section.chosenRegion = detail.region ?? atlasOf(section).regions[detail.row];
      });
    }
  });

  /** Return a colour as a pixel of an image's data, read as 32 bits. */
  const toPixel = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

  return { atlasOf, parse, toPixel, choose, chooseRegion, listen, colour, listenToColouring };
})();

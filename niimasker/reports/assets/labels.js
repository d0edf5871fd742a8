/* Names the rows and columns of heatmaps so that no two labels overlap, at any width and after every zoom.

   An axis of categories shows every name where all fit. Otherwise it shows the groups of its names, each with a bracket,
   or, without groups, every n-th name. `figure.groups` has groups for names below or left of the axes, and
   `figure.brackets` has groups that are always shown above an axis, whose names are then shown only where all fit; each
   by the axis, as {names, starts}. */
"use strict";

const figureLabels = (() => {
  // Pixels that a label needs along its axis: a row of text, or a tilted text.
  const ROOM = { y: 12, x: 14 };
  const LETTER = 6.8;
  const INK = "#56616c";
  // Pixels from an axis to its brackets, and from there to the labels.
  const [BRACKET, LABEL] = [5, 13];
  // Pixels below an axis without names.
  const NO_NAMES = 14;
  // What this script adds to a figure has this name.
  const OWN = "label";
  const isOwn = ({ name }) => name === OWN;

  const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  /** Return letters shortened; the end is kept, because names of neighbours differ there. */
  function shorten(letters, longest) {
    if (letters.length <= longest) return letters.join("");
    const nEnd = Math.min(10, Math.floor(longest / 3));
    return [...letters.slice(0, longest - nEnd - 1), "…", ...letters.slice(-nEnd)].join("");
  }

  /** Return the number of letters with which all names begin. */
  function countShared(names) {
    const [first] = names;
    return names.reduce((n, letters) => {
      let same = 0;
      while (same < n && letters[same] === first[same]) same += 1;
      return same;
    }, first.length);
  }

  /** Return a function that shortens a name; what all names share goes first, such as 7Networks_. */
  function shortener(names, longest) {
    const all = names.map((name) => [...unescape(name)]);
    if (names.length < 2 || all.every((letters) => letters.length <= longest)) return (name) => name;
    const before = countShared(all);
    const after = countShared(all.map((letters) => letters.slice(before).reverse()));
    return (name) => {
      const letters = [...unescape(name)];
      if (letters.length <= longest) return name;
      const start = before > 1 ? before : 0;
      const end = after > 1 ? letters.length - after : letters.length;
      return escape(shorten([...(start ? "…" : ""), ...letters.slice(start, end), ...(after > 1 ? "…" : "")], longest));
    };
  }

  /** Return the next step of 1, 2, 5, 10, 20, ... names that is not smaller. */
  function roundStep(step) {
    const power = 10 ** Math.floor(Math.log10(step));
    return power * [1, 2, 5, 10].find((factor) => factor * power >= step);
  }

  /** Return places at least `room` apart within 0 and `length`, as near to the wanted ones as possible. */
  function moveApart(wanted, room, length) {
    // Least squares: neighbours that are too close move together, as in isotonic regression.
    const blocks = [];
    wanted.forEach((place, rank) => {
      blocks.push({ sum: place - rank * room, n: 1 });
      while (blocks.length > 1 && blocks.at(-2).sum / blocks.at(-2).n > blocks.at(-1).sum / blocks.at(-1).n) {
        const { sum, n } = blocks.pop();
        Object.assign(blocks.at(-1), { sum: blocks.at(-1).sum + sum, n: blocks.at(-1).n + n });
      }
    });
    const last = Math.max(0, length - (wanted.length - 1) * room);
    const starts = blocks.flatMap(({ sum, n }) => new Array(n).fill(Math.min(Math.max(sum / n, 0), last)));
    return starts.map((start, rank) => start + rank * room);
  }

  /** Return the visible groups with their ends and the place of their label, in positions of the axis. */
  function placeGroups({ names, starts }, n, { low, high, pixels }, room) {
    const perPosition = pixels / (high - low);
    const groups = names
      .map((name, number) => {
        const [start, end] = [Math.max(starts[number] - 0.5, low), Math.min((starts[number + 1] ?? n) - 0.5, high)];
        return { name, start, end, width: (end - start) * perPosition };
      })
      .filter(({ width }) => width > 0);
    // The thinnest groups keep their brackets, but have no label where there is no room for all.
    const nFit = Math.max(1, Math.floor(pixels / room));
    const widest = new Set([...groups].sort((a, b) => b.width - a.width).slice(0, nFit));
    const labelled = groups.filter((group) => widest.has(group));
    const middles = labelled.map(({ start, end }) => ((start + end) / 2 - low) * perPosition);
    const places = moveApart(middles, room, pixels);
    // The fraction keeps plotly from taking a whole number for the name of a region.
    labelled.forEach((group, rank) => (group.label = low + places[rank] / perPosition + 1e-6));
    return groups.map((group) => ({ ...group, gap: Math.min(1, group.width / 4) / perPosition }));
  }

  const line = (letter, axis, along, across, side) => {
    // Across the axis, places are pixels from its edge: negative below or left of it.
    const other = letter === "x" ? "y" : "x";
    return {
      type: "line", name: OWN, layer: "above", line: { color: INK, width: 1 },
      [`${letter}ref`]: axis, [`${letter}0`]: along[0], [`${letter}1`]: along[1],
      [`${other}ref`]: "paper", [`${other}sizemode`]: "pixel", [`${other}anchor`]: side,
      [`${other}0`]: across[0], [`${other}1`]: across[1],
    };
  };

  /** Return the brackets of groups with the lines to their labels. */
  function drawBrackets(groups, letter, axis, { side = 0, sign = -1 } = {}) {
    return groups.flatMap(({ start, end, gap, label }) => {
      const bracket = line(letter, axis, [start + gap, end - gap], [sign * BRACKET, sign * BRACKET], side);
      if (label === undefined) return [bracket];
      return [bracket, line(letter, axis, [(start + end) / 2, label], [sign * BRACKET, sign * (LABEL - 1)], side)];
    });
  }

  /** Return the names of an axis, which are those of the first trace on it. */
  function namesOn(figure, letter, axis) {
    return figure.data.find((trace) => (trace[`${letter}axis`] ?? letter) === axis)?.[letter];
  }

  /** Return what is visible of an axis: its first and last position, and its length in pixels. */
  function viewOf(layout, key, n) {
    const { range, domain = [0, 1] } = layout[key];
    const { margin, width, height } = layout;
    const length = key.startsWith("x") ? width - margin.l - margin.r : height - margin.t - margin.b;
    const ends = range?.every(Number.isFinite) ? range : [-0.5, n - 0.5];
    return { low: Math.min(...ends), high: Math.max(...ends), pixels: length * (domain[1] - domain[0]) };
  }

  /** Return the ticks of an axis, and the brackets of its groups if they are shown. */
  function labelAxis(names, groups, letter, axis, view, { longest, onlyAll }) {
    const { low, high, pixels } = view;
    const room = ROOM[letter];
    const perName = pixels / (high - low);
    if (groups && perName < room) {
      const placed = placeGroups(groups, names.length, view, room);
      const labelled = placed.filter(({ label }) => label !== undefined);
      const ticktext = labelled.map(({ name }) => escape(shorten([...name], longest)));
      const ticks = { tickvals: labelled.map(({ label }) => label), ticktext };
      return { ticks: { ...ticks, ticklen: LABEL, tickcolor: "rgba(0,0,0,0)" }, shapes: drawBrackets(placed, letter, axis) };
    }
    // Half a pixel of rounding does not take names away.
    const step = perName >= room - 0.5 ? 1 : roundStep(room / perName);
    const isShown = (rank) => rank % step === 0 && rank >= low && rank <= high;
    const shown = onlyAll && step > 1 ? [] : names.filter((_, rank) => isShown(rank));
    const ticks = { tickvals: shown, ticktext: shown.map(shortener(names, longest)) };
    return { ticks: { ...ticks, ticklen: 3, tickcolor: "#d5dae0" }, shapes: [] };
  }

  /** Return the groups above an axis: brackets, and tilted labels. */
  function labelAbove(groups, n, axis, view) {
    const placed = placeGroups(groups, n, view, ROOM.x);
    const annotations = placed
      .filter(({ label }) => label !== undefined)
      .map(({ name, label }) => ({
        name: OWN, text: escape(name), x: label, xref: axis, y: 1, yref: "paper", xanchor: "left", yanchor: "bottom",
        xshift: -6, yshift: LABEL, textangle: -60, showarrow: false, font: { size: 11 },
      }));
    return { annotations, shapes: drawBrackets(placed, "x", axis, { side: 1, sign: 1 }) };
  }

  /** Return the labels of a figure for the size and the ranges of a layout. */
  function find(figure, layout) {
    const axes = {};
    const [shapes, annotations] = [[], []];
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      const [letter, axis] = [key[0], key.replace("axis", "")];
      // The rows of voxels have no names worth reading.
      const isNamed = layout[key].type === "category" && figure.layout[key]?.showticklabels !== false;
      const names = isNamed ? namesOn(figure, letter, axis) : null;
      if (!Array.isArray(names)) continue;
      const view = viewOf(layout, key, names.length);
      if (!(view.pixels > 0)) continue;
      const margin = layout.margin[letter === "x" ? "b" : "l"];
      const longest = Math.floor((margin - LABEL) / LETTER);
      const style = { longest, onlyAll: Boolean(figure.brackets?.[key]) };
      const labels = labelAxis(names, figure.groups?.[key], letter, axis, view, style);
      const hasRoom = longest > 1;
      axes[key] = { ...labels.ticks, tickmode: "array", ticks: hasRoom ? "outside" : "", showticklabels: hasRoom };
      shapes.push(...labels.shapes);
      if (!figure.brackets?.[key]) continue;
      const above = labelAbove(figure.brackets[key], names.length, axis, view);
      shapes.push(...above.shapes);
      annotations.push(...above.annotations);
    }
    return { axes, shapes, annotations };
  }

  const replaceOwn = (items, own) => [...(items ?? []).filter((item) => !isOwn(item)), ...own];

  /** Return a layout without room for names below its axes where they do not fit. */
  function withoutRoom(figure, layout) {
    const keys = Object.keys(figure.brackets ?? {});
    const fits = (key) => {
      const n = namesOn(figure, "x", key.replace("axis", "")).length;
      return viewOf({ ...layout, [key]: { ...layout[key], range: null } }, key, n).pixels >= (ROOM.x - 0.5) * n;
    };
    if (!keys.length || keys.every(fits)) return layout;
    const margin = { ...layout.margin, b: NO_NAMES };
    return { ...layout, margin, height: layout.height - layout.margin.b + margin.b };
  }

  /** Return a layout with the labels that fit. */
  function add(figure, whole) {
    const layout = withoutRoom(figure, whole);
    const { axes, shapes, annotations } = find(figure, layout);
    const labelled = { ...layout };
    for (const [key, ticks] of Object.entries(axes)) labelled[key] = { ...layout[key], ...ticks };
    labelled.shapes = replaceOwn(layout.shapes, shapes);
    labelled.annotations = replaceOwn(layout.annotations, annotations);
    return labelled;
  }

  /** Fit the labels again whenever a figure is zoomed or changes its size. */
  function keep(container, figure) {
    let last = "";
    container.on("plotly_relayout", () => {
      const { layout } = container;
      const found = find(figure, layout);
      const now = JSON.stringify(found);
      const nOwn = (layout.shapes ?? []).filter(isOwn).length;
      if (now === last && nOwn === found.shapes.length) return;
      last = now;
      const update = {
        shapes: replaceOwn(layout.shapes, found.shapes),
        annotations: replaceOwn(layout.annotations, found.annotations),
      };
      for (const [key, ticks] of Object.entries(found.axes)) {
        for (const [name, value] of Object.entries(ticks)) update[`${key}.${name}`] = value;
      }
      Plotly.relayout(container, update);
    });
  }

  return { add, keep, unescape };
})();

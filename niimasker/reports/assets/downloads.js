/* Adds buttons that save the numbers of each figure as TSV, and its picture.

   Figures of plotly are saved as SVG, pictures and canvases as PNG. The numbers are those that plotly drew, or those in
   `customdata` where lines are moved apart; a trace whose `meta` is "drawn only" repeats numbers of another. Any <figure>
   may have a function `numbers`, which returns rows of cells, the first one with the names of the columns. Pictures of
   regions have the numbers of their section's table of regions, which has a button as well. Needs labels.js where
   there are figures of plotly, and selection.js on the page of a run. */
"use strict";

(() => {
  const ROUNDED = "The numbers are rounded as in the figure; the tables of the run have all digits.";

  const OF_TABLE = "They are those of the table of regions.";

  // Taken before table.js leaves only the first page of a table in the document.
  const rowsOf = new Map([...document.querySelectorAll("table.regions")].map((table) => [table, [...table.rows]]));

  function decodeName(name) {
    try {
      return decodeURIComponent(name);
    } catch {
      return name; // the name of a file need not be Unicode
    }
  }

  /** Return the name of this page's file without its ending, such as sub-01_task-rest_bold. */
  const pageName = decodeName(location.pathname.split("/").pop()).replace(/\.html$/, "").replace(/_report$/, "");

  const asFileName = (text) => text.replace(/[^\p{L}\p{N}._+-]+/gu, "-");

  const nSections = document.querySelectorAll(".atlas, .group").length;

  /** Return the name of a file: that of the run or page, and that of the figure, with a number if there are several. */
  function nameFile(figure) {
    const name = nSections > 1 ? figure.replace("-figure", "") : figure.replace(/-figure(-\d+)?$/, "");
    return `${asFileName(pageName)}_${name}`;
  }

  /** Return the name of the region that the viewer shows, for the name of its file. */
  function regionOf(container) {
    const section = container.closest(".atlas");
    if (!container.classList.contains("viewer") || section?.chosenRow === undefined) return "";
    return `_${asFileName(selection.atlasOf(section).names[section.chosenRow])}`;
  }

  function save(content, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    // The browser reads the content after the click.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // ---- numbers

  const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

  /** Return a cell's text. Nine digits are more than the figures have, and hide errors of floating point. */
  function writeCell(value) {
    if (isMissing(value)) return "n/a";
    if (typeof value === "number") return String(Number(value.toPrecision(9)));
    const text = value.replace(/\s+/g, " ").trim();
    return text.includes('"') ? `"${text.replaceAll('"', '""')}"` : text;
  }

  const writeTable = (rows) => rows.map((row) => row.map(writeCell).join("\t") + "\n").join("");

  const saveNumbers = (rows, name) => save(new Blob([writeTable(rows)], { type: "text/tab-separated-values" }), `${name}.tsv`);

  /** Return a function from a name in a figure, which may be shortened, to the name in full where the page has it. */
  function fullNames(container) {
    const section = container.closest(".atlas");
    const full = new Map();
    if (section) {
      const { names, shown } = selection.atlasOf(section);
      shown.forEach((name, row) => full.set(name, names[row]));
    }
    return (name) => (typeof name === "string" ? full.get(name) ?? figureLabels.unescape(name) : name);
  }

  const titleOf = (layout, axis) => {
    const title = layout[axis.replace(/^([xy])/, "$1axis")]?.title?.text;
    return title ? figureLabels.unescape(title) : null;
  };
  const valuesOf = (trace) => [...(trace.customdata ?? trace.y)];
  const nameOf = (trace, layout) => figureLabels.unescape(trace.name ?? titleOf(layout, trace.yaxis ?? "y") ?? "y");
  const isSame = (first, second) => first.length === second.length && first.every((value, place) => value === second[place]);

  /** Return matrices of the same rows beside one another. */
  function tabulateMatrices(matrices, layout, nameFull) {
    const title = ({ name }) => (matrices.length > 1 ? `${name}: ` : "");
    const columns = matrices.flatMap((trace) => [...trace.x].map((name) => `${title(trace)}${writeCell(nameFull(name))}`));
    const [{ y }] = matrices;
    const corner = ["y", "x"].map((axis) => titleOf(layout, axis)).filter(Boolean).join(" by ");
    return [[corner, ...columns], ...[...y].map((name, row) => [nameFull(name), ...matrices.flatMap(({ z }) => [...z[row]])])];
  }

  /** Return curves over the same x as columns; a heatmap over it has a column for each of its rows, named after
      the heatmap too if there are several. */
  function tabulateOverX(traces, layout, nameFull) {
    // Two heatmaps may have rows of the same names.
    const isOne = traces.filter(({ type }) => type === "heatmap").length < 2;
    const nameRow = (trace, name) => (isOne ? nameFull(name) : `${trace.name}: ${nameFull(name)}`);
    const columns = traces.flatMap((trace) =>
      trace.type === "heatmap"
        ? [...trace.y].map((name, row) => [nameRow(trace, name), [...trace.z[row]]])
        : [[nameOf(trace, layout), valuesOf(trace)]]
    );
    const x = [...traces[0].x];
    return [
      [titleOf(layout, "x") ?? "x", ...columns.map(([name]) => name)],
      ...x.map((place, row) => [nameFull(place), ...columns.map(([, values]) => values[row])]),
    ];
  }

  /** Return a row for each dot, with its text, and for each point of a curve. */
  function tabulateDots(traces, layout) {
    const rows = traces.flatMap((trace) => {
      const values = valuesOf(trace);
      const texts = trace.hovertext ?? trace.text ?? [];
      return [...trace.x].map((x, row) => [figureLabels.unescape(texts[row] ?? trace.name ?? "line"), x, values[row]]);
    });
    return [["name", titleOf(layout, "x") ?? "x", titleOf(layout, "y") ?? layout.meta?.y ?? "y"], ...rows];
  }

  /** Return the numbers that plotly has drawn in a container. */
  function tabulate({ data, layout }, nameFull) {
    const traces = data.filter(({ x, y, meta }) => x && y && meta !== "drawn only");
    const matrices = traces.filter(({ type }) => type === "heatmap");
    if (matrices.length === traces.length) return tabulateMatrices(matrices, layout, nameFull);
    const hasTexts = traces.some(({ text, hovertext }) => text || hovertext);
    if (!hasTexts && traces.every(({ x }) => isSame(x, traces[0].x))) return tabulateOverX(traces, layout, nameFull);
    if (!matrices.length) return tabulateDots(traces, layout);
    // Cells of counts with a line over them: the line has its two ends alone.
    return tabulateMatrices(matrices, layout, nameFull);
  }

  function readTable(table) {
    return rowsOf.get(table).map((row) => [...row.cells].map(({ textContent }) => textContent));
  }

  // ---- pictures

  function savePlot(container, name) {
    const { width, height } = container.layout;
    return Plotly.downloadImage(container, { format: "svg", filename: name, width, height });
  }

  const saveCanvas = (canvas, name) => canvas.toBlob((content) => save(content, `${name}.png`), "image/png");

  /** Save a picture in the size that it has in the page's data. */
  function savePicture(image, name) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
    canvas.getContext("2d").drawImage(image, 0, 0);
    saveCanvas(canvas, name);
  }

  // ---- buttons

  function makeButton(text, label, title, act) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, ariaLabel: label, title });
    button.addEventListener("click", act);
    return button;
  }

  function makeButtons(...buttons) {
    const group = Object.assign(document.createElement("span"), { className: "downloads" });
    group.append(...buttons);
    return group;
  }

  const numbersButton = (what, title, act) => makeButton("TSV", `Numbers as TSV: ${what}`, `Save the numbers as TSV. ${title}`, act);
  const pictureButton = (format, what, act) => makeButton(format, `Picture as ${format}: ${what}`, `Save the picture as ${format}.`, act);

  function addToPlot(container) {
    const caption = container.closest("figure")?.querySelector("figcaption");
    if (!caption) return;
    const figure = container.closest("figure");
    const name = () => nameFile(container.dataset.figure) + regionOf(container);
    const what = container.getAttribute("aria-label");
    const whenDrawn = (act) => () => (container.data ? act() : undefined);
    caption.append(
      makeButtons(
        numbersButton(
          what,
          ROUNDED,
          whenDrawn(() => saveNumbers(figure.numbers?.() ?? tabulate(container, fullNames(container)), name()))
        ),
        pictureButton("SVG", what, whenDrawn(() => savePlot(container, name())))
      )
    );
  }

  /** Add buttons to a figure of pictures of regions; of several that can be switched, the visible ones are saved. */
  function addToPictures(figure) {
    const caption = [...figure.querySelectorAll("figcaption")].at(-1);
    if (!caption) return;
    const section = figure.closest(".atlas");
    const kind = figure.classList.contains("maps") ? "cortex" : figure.querySelector(".brain") ? "regions" : null;
    const table = kind && section?.querySelector("table.regions");
    const name = nameFile(`${kind ?? "picture"}-figure-${section?.dataset.atlas ?? 1}`);
    const what = figure.getAttribute("aria-label") ?? figure.querySelector("img").alt;
    const visible = () => [...figure.querySelectorAll("img")].filter((image) => image.offsetParent);
    const savePictures = () => {
      const images = visible();
      images.forEach((image, number) => savePicture(image, images.length > 1 ? `${name}-${number + 1}` : name));
    };
    const readNumbers = figure.numbers ?? (table ? () => readTable(table) : null);
    const numbers = numbersButton(what, OF_TABLE, () => saveNumbers(readNumbers(), name));
    caption.append(makeButtons(...(readNumbers ? [numbers] : []), pictureButton("PNG", what, savePictures)));
  }

  function addToCanvas(canvas) {
    const figure = canvas.closest("figure");
    const caption = figure?.querySelector("figcaption");
    if (!caption || !figure.numbers) return;
    const rows = figure.numbers();
    const name = nameFile(rows[0].at(-1));
    const what = canvas.getAttribute("aria-label");
    caption.append(
      makeButtons(
        numbersButton(what, "niimasker_data/summary.tsv has all measures.", () => saveNumbers(figure.numbers(), name)),
        pictureButton("PNG", what, () => saveCanvas(canvas, name))
      )
    );
  }

  /** Add buttons to the view of the brain, whose cross-hair is drawn on a canvas of its own. */
  function addToBrain(figure) {
    const section = figure.closest(".atlas");
    const table = section.querySelector("table.regions");
    const name = nameFile(`brain-figure-${section.dataset.atlas}`);
    const savePictures = () => {
      const [cuts, ...above] = figure.querySelectorAll("canvas");
      const whole = Object.assign(document.createElement("canvas"), { width: cuts.width, height: cuts.height });
      for (const canvas of [cuts, ...above]) whole.getContext("2d").drawImage(canvas, 0, 0, cuts.width, cuts.height);
      saveCanvas(whole, name);
    };
    const numbers = numbersButton("view of the brain", OF_TABLE, () => saveNumbers(readTable(table), name));
    const buttons = makeButtons(numbers, pictureButton("PNG", "view of the brain", savePictures));
    [...figure.querySelectorAll("figcaption")].at(-1).append(buttons);
  }

  function addToTable(table) {
    const section = table.closest(".atlas");
    const name = nameFile(`region-table-figure-${section?.dataset.atlas ?? 1}`);
    const frame = table.closest(".frame") ?? table;
    const button = numbersButton("table of regions", "They are rounded as in the table; the file of regions has all digits.", () =>
      saveNumbers(readTable(table), name)
    );
    // table.js has put its tools above.
    frame.previousElementSibling.append(makeButtons(button));
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const container of document.querySelectorAll("[data-figure]")) addToPlot(container);
    for (const figure of document.querySelectorAll("figure:has(img)")) {
      if (!figure.matches(".brain-view") && !figure.querySelector("[data-figure]")) addToPictures(figure);
    }
    for (const figure of document.querySelectorAll("figure.brain-view")) addToBrain(figure);
    for (const canvas of document.querySelectorAll("figure.strip canvas")) addToCanvas(canvas);
    for (const table of rowsOf.keys()) addToTable(table);
  });
})();

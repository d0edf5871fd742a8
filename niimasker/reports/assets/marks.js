/* Marks the chosen region in the figures and the table of its atlas; a click on a row of them chooses its region. */
"use strict";

(() => {
  const COLOUR = "#d1006f";
  // Lines around rows that are thinner than a few pixels would hide them.
  const [LINE, THIN_LINE, MANY_ROWS] = [1.5, 0.6, 60];
  // The name of the marks among the shapes of a figure.
  const MARK = "chosen";

  /** Return a rectangle around a row of an axis, across the whole width or height of the figure. */
  const around = (position, nRows, along, across) => ({
    type: "rect",
    line: { color: COLOUR, width: nRows > MANY_ROWS ? THIN_LINE : LINE },
    [`${along}ref`]: along,
    [`${along}0`]: position - 0.5,
    [`${along}1`]: position + 0.5,
    [`${across}ref`]: "paper",
    [`${across}0`]: 0,
    [`${across}1`]: 1,
  });

  /** Return an arrowhead that points at a row from the left; it is seen where rows are thinner than a line. */
  const arrowAt = (position) => ({
    type: "path",
    path: "M -2 0 L -12 -5 L -12 5 Z",
    fillcolor: COLOUR,
    line: { width: 0 },
    xref: "paper",
    xsizemode: "pixel",
    xanchor: 0,
    yref: "y",
    ysizemode: "pixel",
    yanchor: position,
  });

  /** Show choices in a figure, and choose the row that is clicked. */
  function markFigure(section, container) {
    const atlas = selection.atlasOf(section);
    const { data, rows } = arrays.readJson(container.dataset.figure);
    const names = data[0].y;
    // A matrix has the rows of the regions with a signal, in an order of its own.
    const rowOf = rows ? (name) => rows[names.indexOf(name)] : (name) => atlas.shown.indexOf(name);
    const positionOf = rows ? (row) => rows.indexOf(row) : (row) => names.indexOf(atlas.shown[row]);
    selection.listen(section, ({ row }) => {
      const position = positionOf(row);
      const marks = [];
      if (position >= 0) marks.push(around(position, names.length, "y", "x"));
      if (position >= 0 && rows) marks.push(around(position, names.length, "x", "y"));
      if (position >= 0 && names.length > MANY_ROWS) marks.push(arrowAt(position));
      const others = (container.layout.shapes ?? []).filter(({ name }) => name !== MARK);
      Plotly.relayout(container, { shapes: [...others, ...marks.map((mark) => ({ ...mark, name: MARK }))] });
    });
    container.on("plotly_click", ({ points: [point] }) => {
      const row = rowOf(point.y);
      if (!(row >= 0)) return;
      const isOther = rows && point.x !== point.y && typeof point.z === "number";
      const note = isOther ? `; ${point.z.toFixed(2)} with ${atlas.names[rowOf(point.x)]}` : "";
      selection.choose(section, row, container, { note });
    });
  }

  /** Show choices in the table of regions, and choose the region whose name is clicked. */
  function markTable(section) {
    const table = section.querySelector("table.regions");
    const sortable = sortableTable(table);
    const lines = sortable.source.rows;
    for (const line of lines) {
      if (!line.dataset.row) continue;
      const cell = line.querySelector("td.name");
      const button = makeElement("button", { type: "button", className: "chooser" }, ...cell.childNodes);
      cell.append(button);
      line.addEventListener("click", () => selection.choose(section, Number(line.dataset.row), table));
    }
    selection.listen(section, ({ row }) => {
      const chosen = lines.filter((line) => line.dataset.row === String(row));
      for (const line of lines) line.ariaCurrent = chosen.includes(line) ? "true" : null;
      if (chosen.length) sortable.reveal(chosen[0]);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const section of document.querySelectorAll(".atlas")) {
      for (const container of section.querySelectorAll("[data-figure]")) {
        if (/^(carpet|regressors|matrix)-/.test(container.dataset.figure)) markFigure(section, container);
      }
      markTable(section);
    }
  });
})();

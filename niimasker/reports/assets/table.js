/* Makes every <table class="sortable"> sortable, and adds a filter and pages if its attributes ask for them.

   data-filter="label"   adds a text field with this label above the table; rows that contain all typed words stay
   data-page-size="100"  number of rows per page; on paper all rows that are found, if they are not too many
   data-file="a.tsv"     the file with all rows, which is named on paper where rows are missing
   <td data-value="2.5"> value to sort by, if it is not the text of the cell
   <th data-fixed>       column that cannot be sorted

   `sortableTable(table, source)` supplies the rows of a table that is too long to be written as HTML. `source` has
   `rows`, an array of any values; `value(row, column)`, the value to sort by; `text(row)`, the text to search; and
   `element(row)`, the <tr>. Its `onDraw()`, if there is one, is called before rows are drawn. */
"use strict";

/** Return a new element; its content is text or elements, never markup. */
function makeElement(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

const sortableTable = (() => {
  const NATURAL = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const MISSING = new Set(["", "n/a", "nan", "–"]);
  const MOST_PRINTED = 500;

  /** Return a cell's text as a number or text, or null if the value is missing. */
  function parse(text) {
    const trimmed = text.trim();
    if (MISSING.has(trimmed.toLowerCase())) return null;
    const number = Number(trimmed.replace("−", "-").replace(/\s*%$/, ""));
    return Number.isNaN(number) ? trimmed : number;
  }

  /** Compare two values: numbers come before texts, texts are in natural order. */
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return NATURAL.compare(a, b);
  }

  /** Return rows sorted by a column; rows without a value come last in either direction. */
  function sorted(rows, value, direction) {
    const keyed = rows.map((row) => ({ row, key: value(row) }));
    const isMissing = ({ key }) => key === null || key === undefined;
    const known = keyed.filter((entry) => !isMissing(entry)).sort((a, b) => direction * compare(a.key, b.key));
    return known.concat(keyed.filter(isMissing)).map(({ row }) => row);
  }

  /** Return a function that tells whether a text contains every word of a query, ignoring case. */
  function matcher(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return (text) => words.every((word) => text.includes(word));
  }

  /** Return the source of a table whose rows are in its HTML. */
  function htmlSource(table) {
    return {
      rows: [...table.tBodies[0].rows],
      value: (row, column) => parse(row.cells[column]?.dataset.value ?? row.cells[column]?.textContent ?? ""),
      text: (row) => [...row.cells].map((cell) => cell.textContent).join(" "),
      element: (row) => row,
    };
  }

  class SortableTable {
    constructor(table, source) {
      this.table = table;
      this.body = table.tBodies[0];
      this.source = source;
      this.texts = new Map();
      this.pageSize = this.screenPageSize = Number(table.dataset.pageSize) || Infinity;
      this.state = { column: null, direction: 1, query: "", page: 0 };
      this.pagers = [];
      this.order = this.shown = source.rows;
      this.addHeaderButtons();
      this.addTools();
      this.draw();
      addEventListener("beforeprint", () => this.spread());
      addEventListener("afterprint", () => this.fold());
    }

    /** Return the text to search; it is made when first needed, because most readers of 10,000 rows never type. */
    textOf(row) {
      if (!this.texts.has(row)) this.texts.set(row, this.source.text(row).toLowerCase());
      return this.texts.get(row);
    }

    addHeaderButtons() {
      this.headers = [...this.table.tHead.rows[0].cells];
      this.headers.forEach((header, column) => {
        if ("fixed" in header.dataset) return;
        const button = makeElement("button", { type: "button", className: "sorter" }, ...header.childNodes);
        button.addEventListener("click", () => this.cycleSort(column));
        header.append(button);
      });
    }

    /** Forget the texts of the rows, so that the filter searches their current ones. */
    forgetTexts() {
      this.texts.clear();
    }

    addTools() {
      const anchor = this.table.closest(".frame") ?? this.table;
      const tools = (this.tools = makeElement("div", { className: "tools" }));
      if (this.table.dataset.filter) tools.append(this.makeFilter());
      this.count = makeElement("output", { className: "quiet" });
      tools.append(this.count);
      this.printed = makeElement("p", { className: "on-paper", hidden: true });
      anchor.before(tools, this.printed);
      if (this.source.rows.length > this.pageSize) {
        tools.append(this.makePager());
        anchor.after(this.makePager());
      }
      if (!this.table.dataset.filter && !this.pagers.length) tools.hidden = true;
    }

    makeFilter() {
      this.field = makeElement("input", { type: "search", autocomplete: "off", spellcheck: false });
      this.field.addEventListener("input", () => this.filter(this.field.value));
      return makeElement("label", { className: "filter" }, makeElement("span", {}, this.table.dataset.filter), " ", this.field);
    }

    makePager() {
      const button = (text, label, step) => {
        const made = makeElement("button", { type: "button", ariaLabel: label }, text);
        made.addEventListener("click", () => this.turnPage(step(this.state.page)));
        return made;
      };
      const pager = {
        back: [button("«", "First page", () => 0), button("‹", "Previous page", (page) => page - 1)],
        label: makeElement("span", { className: "page" }),
        on: [button("›", "Next page", (page) => page + 1), button("»", "Last page", () => this.nPages - 1)],
      };
      this.pagers.push(pager);
      return makeElement("nav", { className: "pager", ariaLabel: "Pages of the table" }, ...pager.back, pager.label, ...pager.on);
    }

    get nPages() {
      return Math.max(1, Math.ceil(this.shown.length / this.pageSize));
    }

    /** Sort by a column: first ascending, then descending, then in the original order. */
    cycleSort(column) {
      const { state } = this;
      if (state.column !== column) Object.assign(state, { column, direction: 1 });
      else if (state.direction === 1) state.direction = -1;
      else state.column = null;
      this.sort();
    }

    sort() {
      const { column, direction } = this.state;
      const value = (row) => this.source.value(row, column);
      this.order = column === null ? this.source.rows : sorted(this.source.rows, value, direction);
      this.filter(this.state.query);
    }

    /** Show the rows that contain every word of a query. */
    filter(query) {
      this.state.query = query;
      if (this.field && this.field.value !== query) this.field.value = query;
      const matches = matcher(query);
      this.shown = query.trim() ? this.order.filter((row) => matches(this.textOf(row))) : this.order;
      this.go(0);
    }

    go(page) {
      this.state.page = Math.min(Math.max(page, 0), this.nPages - 1);
      this.draw();
    }

    /** Go to the page that holds a row, unless the filter hides it; the window does not scroll. */
    reveal(row) {
      const place = this.shown.indexOf(row);
      if (place >= 0) this.go(Math.floor(place / this.pageSize));
    }

    /** Go to a page and scroll to its first row. */
    turnPage(page) {
      this.go(page);
      if (this.tools.getBoundingClientRect().top < 0) this.tools.scrollIntoView();
    }

    draw() {
      const { page, column, direction } = this.state;
      const first = page * (this.pageSize === Infinity ? 0 : this.pageSize);
      const rows = this.shown.slice(first, first + this.pageSize);
      this.source.onDraw?.();
      this.body.replaceChildren(...rows.map((row) => this.source.element(row)));
      this.headers.forEach((header, position) => {
        const order = position === column ? (direction === 1 ? "ascending" : "descending") : "none";
        if (!("fixed" in header.dataset)) header.setAttribute("aria-sort", order);
      });
      this.describe(first, rows.length);
    }

    /** Put all rows that are found on one page, for paper; if they are too many, the page on the screen is printed. */
    spread() {
      // A field in a row keeps what is typed when it is left, not when its row is drawn again.
      if (this.body.contains(document.activeElement)) document.activeElement.blur();
      if (this.shown.length <= MOST_PRINTED) this.pageSize = Infinity;
      this.draw();
      const isPart = this.body.rows.length < this.source.rows.length;
      const { file } = this.table.dataset;
      this.printed.textContent = `${this.count.value}${file ? `; all are in ${file}` : ""}`;
      this.printed.hidden = !isPart;
    }

    /** Bring the pages of the screen back. */
    fold() {
      this.pageSize = this.screenPageSize;
      this.printed.hidden = true;
      this.draw();
    }

    describe(first, nRows) {
      const number = (count) => count.toLocaleString("en");
      const rows = (count) => `${number(count)} row${count === 1 ? "" : "s"}`;
      const [all, shown] = [this.source.rows.length, this.shown.length];
      const range = nRows < shown ? `rows ${number(first + 1)} to ${number(first + nRows)} of ` : "";
      const rest = shown < all ? `${number(shown)} found among ${number(all)}` : range ? number(all) : rows(all);
      this.count.value = shown ? range + rest : `nothing found among ${rows(all)}`;
      for (const { back, label, on } of this.pagers) {
        label.textContent = `page ${number(this.state.page + 1)} of ${number(this.nPages)}`;
        for (const button of back) button.disabled = this.state.page === 0;
        for (const button of on) button.disabled = this.state.page === this.nPages - 1;
      }
    }
  }

  const made = new WeakMap();

  return (table, source = htmlSource(table)) => {
    if (!made.has(table)) made.set(table, new SortableTable(table, source));
    return made.get(table);
  };
})();

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.sortable")) sortableTable(table);
});

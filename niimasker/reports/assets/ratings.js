/* A reader's own rating of each run: keep or leave, with a note. The browser keeps the ratings of a study under its id;
   `ratings.tsv` carries them to other browsers, and to niimasker --exclude.

   `openRatings(id)`           the ratings of a study, shared by all pages of it that the browser has open
   `makeRatingButtons(...)`    the buttons for one run
   `writeRatings`, `readRatings`   the table as text, and back */
"use strict";

const RATINGS = ["keep", "leave"];
const RATING_HELP = {
  keep: "Keep this run in the analysis",
  leave: "Leave this run out: niimasker --exclude ratings.tsv",
};

const openRatings = (() => {
  class Ratings extends EventTarget {
    constructor(study) {
      super();
      this.study = study;
      this.key = `niimasker ratings ${study}`;
      this.ofPage = {}; // what could not be kept
      this.isKept = Boolean(study);
      this.entries = this.read();
      addEventListener("storage", ({ key }) => {
        if (key !== this.key && key !== null) return;
        this.entries = this.read();
        this.dispatchEvent(new Event("change"));
      });
    }

    /** Return what the browser has kept; what cannot be read counts as nothing. */
    read() {
      try {
        const kept = JSON.parse(localStorage.getItem(this.key) ?? "{}");
        return { ...(kept !== null && typeof kept === "object" ? kept : {}), ...this.ofPage };
      } catch {
        this.isKept = false;
        return { ...this.ofPage };
      }
    }

    write(changed) {
      try {
        if (!this.study) throw new Error("no study");
        localStorage.setItem(this.key, JSON.stringify(this.entries));
        this.ofPage = {};
        this.isKept = true;
      } catch {
        // A private window, or no room left.
        this.isKept = false;
        Object.assign(this.ofPage, changed);
      }
      this.dispatchEvent(new Event("change"));
    }

    /** Return the rating of a run: keep, leave or "" for none, with a note and the time. */
    of(run) {
      const [rating, note, time] = Object.hasOwn(this.entries, run) && Array.isArray(this.entries[run]) ? this.entries[run] : [];
      return { rating: RATINGS.includes(rating) ? rating : "", note: String(note ?? ""), time: String(time ?? "") };
    }

    set(run, change) {
      this.merge([{ run, ...this.of(run), time: new Date().toISOString(), ...change }]);
    }

    merge(ratings) {
      const changed = Object.fromEntries(ratings.map(({ run, rating, note, time }) => [run, [rating, note, time]]));
      // Another page of the study may have added ratings since.
      this.entries = { ...this.read(), ...changed };
      this.write(changed);
    }
  }

  return (study) => new Ratings(study);
})();

/** Return buttons to rate a run, and a field for a note; `update()` shows a rating that was changed elsewhere. */
function makeRatingButtons(ratings, run, { name = run, keys = {} } = {}) {
  const element = Object.assign(document.createElement("div"), { className: "rating" });
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", `Your rating of ${name}`);
  const toggle = (rating) => ratings.set(run, { rating: ratings.of(run).rating === rating ? "" : rating });
  const buttons = RATINGS.map((rating) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: `rate ${rating}` });
    button.textContent = rating;
    button.title = RATING_HELP[rating] + (keys[rating] ? ` (key ${keys[rating]})` : "");
    button.addEventListener("click", () => toggle(rating));
    return button;
  });
  const note = Object.assign(document.createElement("input"), { type: "text", className: "note", placeholder: "note", maxLength: 500 });
  note.setAttribute("aria-label", `Your note on ${name}`);
  note.addEventListener("change", () => ratings.set(run, { note: note.value.trim() }));
  // On paper, in place of the buttons and the field.
  const written = Object.assign(document.createElement("span"), { className: "written" });
  element.append(...buttons, note, written);
  const update = () => {
    const { rating, note: text, time } = ratings.of(run);
    RATINGS.forEach((each, place) => buttons[place].setAttribute("aria-pressed", String(each === rating)));
    if (document.activeElement !== note) note.value = text;
    note.title = text;
    written.textContent = [rating, text].filter(Boolean).join(": ");
    element.classList.toggle("rated", Boolean(rating || text));
    element.title = rating || text ? `rated ${time.slice(0, 16).replace("T", " ")} UTC` : "";
  };
  update();
  return { element, update, toggle };
}

const NOT_KEPT = "This browser does not keep your ratings: they are lost when this page is closed.";

/** Return ratings as the text of a table; `runs` have a name, an image and what `Ratings.of` returns. */
function writeRatings(runs) {
  const cell = (text) => (/["\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const plain = (text) => text.replace(/\s+/g, " ").trim();
  const rows = runs.map(({ name, image, rating, note, time }) =>
    [name, image, rating || "n/a", plain(note) || "n/a", time || "n/a"].map(cell).join("\t")
  );
  return `${[["output", "image", "rating", "note", "rated_at"].join("\t"), ...rows].join("\n")}\n`;
}

/** Return the ratings of a table, which a spreadsheet may have saved; throw an Error for another file. */
function readRatings(text) {
  const [first] = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const delimiter = ["\t", ";", ","].find((each) => first.includes(each)) ?? "\t";
  const [names = [], ...rows] = splitCells(text.replace(/^\uFEFF/, ""), delimiter);
  const places = ["output", "rating", "note", "rated_at"].map((name) => names.map((each) => each.trim().toLowerCase()).indexOf(name));
  if (places[0] < 0 || places[1] < 0) throw new Error("it has no columns output and rating");
  return rows
    .filter((cells) => cells.some((each) => each.trim()))
    .map((cells, row) => {
      const [run, rating, note, time] = places.map((place) => (cells[place] ?? "").trim());
      const word = rating.toLowerCase();
      if (!["", "n/a", ...RATINGS].includes(word)) throw new Error(`row ${row + 1} has the rating ${rating}; expected keep, leave or n/a`);
      const date = new Date(time);
      return {
        run,
        rating: RATINGS.includes(word) ? word : "",
        note: note === "n/a" ? "" : note,
        time: Number.isNaN(date.getTime()) ? "" : date.toISOString(),
      };
    });
}

/** Return the cells of each line; cells in double quotes may hold delimiters and line ends. Throw an Error without the last quote. */
function splitCells(text, delimiter) {
  const rows = [[""]];
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    const cells = rows[rows.length - 1];
    const isStart = cells[cells.length - 1] === "";
    if (isQuoted && letter === '"' && text[at + 1] === '"') cells[cells.length - 1] += text[at++];
    else if (letter === '"' && (isQuoted || isStart)) isQuoted = !isQuoted;
    else if (letter === delimiter && !isQuoted) cells.push("");
    else if (letter === "\n" && !isQuoted) rows.push([""]);
    else if (letter !== "\r" || isQuoted) cells[cells.length - 1] += letter;
  }
  // It would hide all rows after it.
  if (isQuoted) throw new Error("a quotation mark in it is never closed");
  return rows;
}

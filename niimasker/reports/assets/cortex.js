/* Names the region of the cortex under the pointer; a click shows its signal in the viewer of report.js. */
"use strict";

(() => {
  /** Return the region in each place of a picture, counted from 1, and 0 for none. */
  function unpackHits({ shape, runs }) {
    const bytes = Uint8Array.from(atob(runs.data), (letter) => letter.charCodeAt(0));
    const codes = new Int16Array(bytes.buffer);
    const nRuns = runs.shape[1];
    const regions = new Int16Array(shape[0] * shape[1]);
    let start = 0;
    for (let run = 0; run < nRuns; run += 1) {
      const end = start + codes[nRuns + run];
      regions.fill(codes[run], start, end);
      start = end;
    }
    return regions;
  }

  function makeMaps(maps) {
    const hits = JSON.parse(document.getElementById(maps.dataset.hits).textContent);
    const regions = hits.pictures.map(unpackHits);
    const field = maps.closest(".atlas").querySelector(".find-region");
    const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
    const name = document.createElement("b");
    const numbers = document.createElement("span");
    tip.append(name, numbers);
    maps.append(tip);

    /** Return the position of the region under the pointer, -1 for none. */
    function find(event, number) {
      const { shape, top } = hits.pictures[number];
      const box = event.currentTarget.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const down = ((event.clientY - box.top) / box.height - top) / (1 - top);
      if (across < 0 || across >= 1 || down < 0 || down >= 1) return -1;
      return regions[number][Math.floor(down * shape[0]) * shape[1] + Math.floor(across * shape[1])] - 1;
    }

    function show(event, region) {
      tip.hidden = region < 0;
      event.currentTarget.style.cursor = region < 0 ? "" : "pointer";
      if (region < 0) return;
      name.textContent = hits.names[region];
      numbers.textContent = hits.numbers[region];
      const box = maps.getBoundingClientRect();
      const left = event.clientX - box.left + 12;
      tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth))}px`;
      tip.style.top = `${event.clientY - box.top + 16}px`;
    }

    for (const group of maps.querySelectorAll(".hemispheres")) {
      group.querySelectorAll("img").forEach((image, number) => {
        image.addEventListener("pointermove", (event) => show(event, find(event, number)));
        image.addEventListener("pointerleave", () => (tip.hidden = true));
        image.addEventListener("click", (event) => {
          const region = find(event, number);
          show(event, region);
          if (region < 0) return;
          field.value = hits.names[region];
          field.dispatchEvent(new Event("input"));
        });
      });
    }
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".maps").forEach(makeMaps));
})();

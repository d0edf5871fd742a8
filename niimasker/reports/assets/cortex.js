/* The maps of the cortex: names the region under the pointer, chooses it on a click, marks the chosen region, and paints
   the correlations with it. */
"use strict";

(() => {
  const BORDER = 3;

  /** Return the region in each place of a picture, counted from 1, and 0 for none. */
  function unpackHits({ shape, runs }) {
    const [labels, lengths] = arrays.unpackRows(runs);
    const regions = new Int32Array(shape[0] * shape[1]);
    let start = 0;
    labels.forEach((label, run) => {
      regions.fill(label, start, start + lengths[run]);
      start += lengths[run];
    });
    return regions;
  }

  /** Names the region under the pointer, and chooses it on a click. */
  class Pointer {
    constructor(section, maps, hits) {
      Object.assign(this, { section, maps, hits, regions: hits.pictures.map(unpackHits) });
      this.name = document.createElement("b");
      this.numbers = document.createElement("span");
      this.tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
      this.tip.append(this.name, this.numbers);
      maps.append(this.tip);
      for (const group of maps.querySelectorAll(".hemispheres")) {
        group.querySelectorAll("img").forEach((image, number) => this.follow(image, number));
      }
    }

    follow(image, number) {
      image.addEventListener("pointermove", (event) => this.show(event, this.find(event, number)));
      image.addEventListener("pointerleave", () => (this.tip.hidden = true));
      image.addEventListener("click", (event) => {
        const region = this.find(event, number);
        if (region >= 0) selection.chooseRegion(this.section, region, this.maps);
        this.show(event, region);
      });
    }

    /** Return the position of the region under the pointer, -1 for none. */
    find(event, number) {
      const { shape, top } = this.hits.pictures[number];
      const box = event.currentTarget.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const down = ((event.clientY - box.top) / box.height - top) / (1 - top);
      if (across < 0 || across >= 1 || down < 0 || down >= 1) return -1;
      return this.regions[number][Math.floor(down * shape[0]) * shape[1] + Math.floor(across * shape[1])] - 1;
    }

    show(event, region) {
      this.tip.hidden = region < 0;
      event.currentTarget.style.cursor = region < 0 ? "" : "pointer";
      if (region < 0) return;
      const { chosenRegion } = this.section;
      const r = selection.atlasOf(this.section).correlationsWith(chosenRegion)[region];
      const isOther = region !== chosenRegion && r !== null;
      this.name.textContent = this.hits.names[region];
      this.numbers.textContent =
        this.hits.numbers[region] + (isOther ? `, r ${r.toFixed(2)} with ${this.hits.names[chosenRegion]}` : "");
      const box = this.maps.getBoundingClientRect();
      const left = event.clientX - box.left + 12;
      this.tip.style.left = `${Math.max(0, Math.min(left, box.width - this.tip.offsetWidth))}px`;
      this.tip.style.top = `${event.clientY - box.top + 16}px`;
    }
  }

  /** Paints over the picture of a hemisphere: correlations, and the border of the chosen region. */
  class Layer {
    constructor(image, shape, labels) {
      const [height, width] = shape;
      Object.assign(this, { labels, width, height });
      this.canvas = Object.assign(document.createElement("canvas"), { width, height });
      image.after(this.canvas);
    }

    /** Paint the border of a region and, where colours are given, all regions; white leaves the picture as it is. */
    paint(chosenRegion, colours) {
      const context = this.canvas.getContext("2d");
      const image = context.createImageData(this.width, this.height);
      const pixels = new Uint32Array(image.data.buffer).fill(0xffffffff);
      if (colours) {
        const table = [0xffffffff, ...colours.map(selection.toPixel)];
        this.labels.forEach((label, place) => (pixels[place] = table[label]));
      }
      this.listBorder(chosenRegion + 1).forEach((place) => (pixels[place] = 0xff000000));
      context.putImageData(image, 0, 0);
    }

    /** Return the places of a label that are near another label. */
    listBorder(label) {
      const { labels, width } = this;
      const steps = [-BORDER, BORDER, -BORDER * width, BORDER * width];
      const places = [];
      labels.forEach((each, place) => {
        if (each === label && steps.some((step) => labels[place + step] !== label)) places.push(place);
      });
      return places;
    }
  }

  /** Mark the chosen region in the shown map, and let the reader colour the regions by their correlations. */
  async function addLayers(section, maps, hits) {
    const labels = await Promise.all(hits.pictures.map(({ pixels }) => arrays.inflate(pixels)));
    const atlas = selection.atlasOf(section);
    const inputs = [...maps.querySelectorAll(":scope > input")];
    const shown = [...maps.querySelectorAll(".map")].map((map) => ({
      isPainted: map.classList.contains("painted"),
      layers: [...map.querySelectorAll("img")].map(
        (image, number) => new Layer(image, hits.pictures[number].pixels.shape, labels[number])
      ),
    }));
    const painted = shown.findIndex(({ isPainted }) => isPainted);
    const current = () => inputs.findIndex((input) => input.checked);
    for (const element of maps.querySelectorAll(":scope > input, :scope > label")) element.hidden = false;

    function paint() {
      const { isPainted, layers } = shown[current()];
      const colours = isPainted ? atlas.correlationColours(section.chosenRegion) : null;
      for (const layer of layers) layer.paint(section.chosenRegion, colours);
      maps.querySelector(".seed").textContent = hits.names[section.chosenRegion];
    }

    maps.addEventListener("change", () => {
      selection.colour(section, current() === painted ? "correlation" : "regions");
      paint();
    });
    selection.listenToColouring(section, () => {
      const isCorrelation = section.colouring === "correlation";
      if (isCorrelation !== (current() === painted)) inputs[isCorrelation ? painted : 0].checked = true;
      paint();
    });
    selection.listen(section, paint);
    maps.dataset.drawn = "all";
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const maps of document.querySelectorAll(".maps")) {
      const hits = arrays.readJson(maps.dataset.hits);
      const section = maps.closest(".atlas");
      new Pointer(section, maps, hits);
      if (typeof DecompressionStream !== "undefined") addLayers(section, maps, hits);
    }
  });
})();

/* An interactive view of the brain: three cuts through one cross-hair, drawn by brainsprite. A click chooses the region
   under it for all views of the atlas, and a choice elsewhere moves the cross-hair to the region. */
"use strict";

(() => {
  const AXES = ["X", "Y", "Z"];
  // The axes of the volume that run along each cut, to the right and upwards.
  const IN_PLANE = [[1, 2], [0, 2], [0, 1]];
  // Strong colours can be compared with the scale of correlations.
  const OPACITY = { regions: 0.6, correlation: 0.85 };
  const MARK = "#ff3d9a";
  // In pixels. The cuts of a narrow volume, such as a spinal cord, would be higher than the window.
  const MOST_HIGH = 640;

  /** Return a place in mm as text; 0 has no sign. */
  const tellPlace = (millimetres) => millimetres.map((value) => Number(value.toFixed(1)) + 0).join(", ");

  class BrainView {
    constructor(section, figure, volumes) {
      Object.assign(this, { section, figure, volumes, atlas: selection.atlasOf(section), axis: 2 });
      this.planes = figure.querySelector(".planes");
      this.marks = figure.querySelector(".cross-hair");
      this.tip = figure.querySelector(".tip");
      this.field = figure.querySelector(".position");
      this.opacity = figure.querySelector(".opacity");
      this.voxel = volumes.shape.map((length) => Math.floor(length / 2));
      volumes.picture.id = `${figure.dataset.brain}-picture`;
      figure.append(volumes.picture);
      this.paint();
      this.makeCuts();
      this.addPointer();
      this.addKeys();
      this.addTools();
      selection.listen(section, ({ source }) => this.showChoice(source));
      selection.listenToColouring(section, () => this.showColouring());
      new ResizeObserver(() => this.resize()).observe(this.planes);
      figure.dataset.drawn = "all";
    }

    makeCuts() {
      const [X, Y, Z] = this.volumes.pixels;
      this.planes.style.maxWidth = `${Math.round((MOST_HIGH * (Y + X + X)) / Math.max(Y, Z))}px`;
      this.brain = brainsprite({
        canvas: this.planes.querySelector("canvas").id,
        sprite: this.volumes.picture.id,
        nbSlice: { X, Y, Z },
        flagCoordinates: true,
        sizeFont: 0.055,
      });
    }

    /** Return the colours of the regions. */
    listColours() {
      if (this.section.colouring !== "correlation") return this.volumes.regionColours;
      return this.atlas.correlationColours(this.section.chosenRegion);
    }

    paint() {
      this.volumes.paint(this.listColours(), Number(this.opacity.value));
    }

    /** Show the colours that the reader has switched to. */
    showColouring() {
      const kind = this.section.colouring ?? "regions";
      this.opacity.value = OPACITY[kind];
      this.figure.querySelector(".legend").hidden = kind !== "correlation";
      this.figure.querySelector(`.switch [value="${kind}"]`).checked = true;
      this.repaint();
    }

    repaint() {
      this.paint();
      this.brain.init();
      this.draw();
    }

    resize() {
      if (!this.planes.clientWidth) return;
      this.brain.resize();
      this.draw();
    }

    /** Move the cross-hair to a voxel. */
    moveTo(voxel) {
      this.voxel = voxel.map((index, axis) => Math.min(Math.max(index, 0), this.volumes.shape[axis] - 1));
      this.draw();
      this.field.value = tellPlace(this.volumes.toMillimetres(this.voxel));
      this.figure.querySelector(".place").value = this.tell(this.voxel);
    }

    /** Draw the cuts through the cross-hair, and what marks them. */
    draw() {
      const { pixels, shape } = this.volumes;
      this.voxel.forEach((index, axis) => {
        this.brain.numSlice[AXES[axis]] = Math.floor(((index + 0.5) * pixels[axis]) / shape[axis]);
      });
      this.brain.coordinatesSlice = Object.fromEntries(
        this.volumes.toMillimetres(this.voxel).map((value, axis) => [AXES[axis], value])
      );
      this.brain.drawAll();
      this.drawMarks();
    }

    /** Return where the cut along an axis is drawn, in pixels of the page. */
    boxOf(axis) {
      const { widthCanvas, heightCanvas } = this.brain;
      const left = AXES.slice(0, axis).reduce((sum, each) => sum + widthCanvas[each], 0);
      const [width, height] = [widthCanvas[AXES[axis]], heightCanvas[AXES[axis]]];
      return { left, top: (heightCanvas.max - height) / 2, width, height };
    }

    drawMarks() {
      const { clientWidth: width, clientHeight: height } = this.planes;
      const ratio = devicePixelRatio;
      Object.assign(this.marks, { width: width * ratio, height: height * ratio });
      const context = this.marks.getContext("2d");
      context.scale(ratio, ratio);
      AXES.forEach((_, axis) => this.markCut(context, axis));
    }

    /** Draw the border of the chosen region, the cross-hair and, if keys move it in this cut, a frame. */
    markCut(context, axis) {
      const { left, top, width, height } = this.boxOf(axis);
      const [right, up] = IN_PLANE[axis];
      const [nRight, nUp] = [this.volumes.shape[right], this.volumes.shape[up]];
      const [across, along] = [width / nRight, height / nUp];
      const isChosen = (a, b) => {
        if (a < 0 || b < 0 || a >= nRight || b >= nUp) return false;
        const voxel = [...this.voxel];
        [voxel[right], voxel[up]] = [a, b];
        return this.volumes.regionAt(voxel) === this.section.chosenRegion;
      };
      const line = (x0, y0, x1, y1) => {
        context.moveTo(left + x0 * across, top + height - y0 * along);
        context.lineTo(left + x1 * across, top + height - y1 * along);
      };
      context.beginPath();
      for (let a = -1; a < nRight; a += 1) {
        for (let b = -1; b < nUp; b += 1) {
          const inside = isChosen(a, b);
          if (inside !== isChosen(a + 1, b)) line(a + 1, b, a + 1, b + 1);
          if (inside !== isChosen(a, b + 1)) line(a, b + 1, a + 1, b + 1);
        }
      }
      Object.assign(context, { strokeStyle: "#fff", lineWidth: 1.5, lineCap: "square" });
      context.stroke();
      context.beginPath();
      line(this.voxel[right] + 0.5, 0, this.voxel[right] + 0.5, nUp);
      line(0, this.voxel[up] + 0.5, nRight, this.voxel[up] + 0.5);
      Object.assign(context, { strokeStyle: MARK, lineWidth: 1 });
      context.stroke();
      if (axis === this.axis && this.planes.matches(":focus")) {
        context.strokeRect(left + 1, top + 1, width - 2, height - 2);
      }
    }

    showChoice(source) {
      if (this.section.colouring === "correlation") this.repaint();
      const centre = this.volumes.centres[this.section.chosenRegion] ?? null;
      if (source === this.planes || centre === null) this.moveTo(this.voxel);
      else this.moveTo(this.volumes.voxel(centre));
    }

    /** Choose the region at the cross-hair, if there is one and it has a signal to show. */
    choose() {
      const region = this.volumes.regionAt(this.voxel);
      if (region >= 0) selection.chooseRegion(this.section, region, this.planes);
    }

    /** Return in words what is at a voxel. */
    tell(voxel) {
      const region = this.volumes.regionAt(voxel);
      const place = `at ${tellPlace(this.volumes.toMillimetres(voxel))} mm`;
      if (region < 0) return `no region ${place}`;
      const { chosenRegion } = this.section;
      const { names } = this.volumes;
      if (region === chosenRegion) return `${names[region]} (chosen) ${place}`;
      const r = this.atlas.correlationsWith(chosenRegion)[region];
      return `${names[region]}, ${r === null ? "no correlation" : `r ${r.toFixed(2)}`} with ${names[chosenRegion]}, ${place}`;
    }

    addPointer() {
      this.planes.addEventListener("pointermove", (event) => {
        const found = this.find(event);
        // A finger that moves scrolls the page.
        if (found && event.buttons === 1 && event.pointerType === "mouse") {
          this.axis = found.axis;
          this.moveTo(found.voxel);
        }
        this.showTip(event, found);
      });
      this.planes.addEventListener("pointerleave", () => (this.tip.hidden = true));
      this.planes.addEventListener("click", (event) => {
        const found = this.find(event);
        if (!found) return;
        this.axis = found.axis;
        this.moveTo(found.voxel);
        this.choose();
        this.showTip(event, found);
      });
    }

    showTip(event, found) {
      const isRegion = Boolean(found) && this.volumes.regionAt(found.voxel) >= 0;
      this.tip.hidden = !isRegion;
      if (!isRegion) return;
      this.tip.textContent = this.tell(found.voxel);
      const frame = this.planes.getBoundingClientRect();
      const left = event.clientX - frame.left + 12;
      this.tip.style.left = `${Math.max(0, Math.min(left, frame.width - this.tip.offsetWidth))}px`;
      this.tip.style.top = `${event.clientY - frame.top + 18}px`;
    }

    addKeys() {
      this.planes.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const [right, up] = IN_PLANE[this.axis];
        const steps = {
          ArrowRight: [right, 1],
          ArrowLeft: [right, -1],
          ArrowUp: [up, 1],
          ArrowDown: [up, -1],
          PageUp: [this.axis, 1],
          PageDown: [this.axis, -1],
        };
        if (event.key in steps) {
          const [axis, step] = steps[event.key];
          this.moveTo(this.voxel.map((index, each) => index + (each === axis ? step : 0)));
        } else if (AXES.includes(event.key.toUpperCase())) {
          this.axis = AXES.indexOf(event.key.toUpperCase());
          this.draw();
        } else if (event.key === "Enter" || event.key === " ") this.choose();
        else return;
        event.preventDefault();
      });
      for (const change of ["focus", "blur"]) this.planes.addEventListener(change, () => this.drawMarks());
    }

    addTools() {
      this.opacity.addEventListener("input", () => this.repaint());
      this.field.addEventListener("change", () => this.goTo(this.field.value));
      this.figure.querySelector(".switch").addEventListener("change", ({ target }) => {
        selection.colour(this.section, target.value);
      });
    }

    /** Move the cross-hair to typed coordinates. */
    goTo(text) {
      const numbers = text.split(/[\s,;]+/).filter(Boolean).map((part) => Number(part.replace("−", "-")));
      const isPlace = numbers.length === 3 && numbers.every(Number.isFinite);
      const voxel = isPlace ? this.volumes.toVoxel(numbers) : null;
      if (voxel && this.volumes.contains(voxel)) this.moveTo(voxel);
      else {
        const problem = isPlace ? "outside the view" : "not three numbers";
        this.figure.querySelector(".place").value = `“${text}” is ${problem}`;
      }
    }

    /** Return the axis of the cut under the pointer and the voxel there; null beside the cuts. */
    find(event) {
      const frame = this.planes.getBoundingClientRect();
      for (const axis of [0, 1, 2]) {
        const { left, top, width, height } = this.boxOf(axis);
        const across = (event.clientX - frame.left - left) / width;
        const upwards = 1 - (event.clientY - frame.top - top) / height;
        if (across < 0 || across >= 1 || upwards < 0 || upwards >= 1) continue;
        const voxel = [...this.voxel];
        IN_PLANE[axis].forEach((other, number) => {
          voxel[other] = Math.floor((number ? upwards : across) * this.volumes.shape[other]);
        });
        return { axis, voxel };
      }
      return null;
    }
  }

  async function makeBrainView(figure) {
    const data = arrays.readJson(figure.dataset.brain);
    const [greys, labels] = await Promise.all([arrays.inflate(data.greys), arrays.inflate(data.labels)]);
    figure.hidden = false;
    return new BrainView(figure.closest(".atlas"), figure, new BrainVolumes(data, greys, labels));
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll(".brain-view")) {
      if (typeof DecompressionStream === "undefined") figure.nextElementSibling.hidden = false;
      else makeBrainView(figure);
    }
  });
})();

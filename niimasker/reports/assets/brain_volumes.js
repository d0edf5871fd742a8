/* The volumes of a brain, and the picture of its sagittal cuts side by side that brainsprite cuts up. */
"use strict";

const BrainVolumes = (() => {
  // A larger picture of all cuts side by side is slow to paint.
  const MOST_PIXELS = 4e6;

  const transform = (matrix, point) =>
    matrix.map((row) => row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3]);

  /** Return the size of a voxel's picture, so that pixels are square although voxels may not be. */
  function findPixelSize(shape, sizes) {
    const volume = shape.reduce((product, length, axis) => product * length * sizes[axis], 1);
    return Math.max(Math.min(...sizes), Math.cbrt(volume / MOST_PIXELS));
  }

  return class BrainVolumes {
    constructor(data, greys, labels) {
      Object.assign(this, data, { greys, labels });
      const size = findPixelSize(this.shape, this.sizes);
      this.pixels = this.shape.map((length, axis) => Math.max(1, Math.round((length * this.sizes[axis]) / size)));
      this.nColumns = Math.ceil(Math.sqrt((this.pixels[0] * this.pixels[2]) / this.pixels[1]));
      this.picture = document.createElement("canvas");
      this.picture.hidden = true;
      this.picture.width = this.nColumns * this.pixels[1];
      this.picture.height = Math.ceil(this.pixels[0] / this.nColumns) * this.pixels[2];
      this.regionColours = this.colours.map(selection.parse);
    }

    /** Return the position in the flattened volume of a voxel. */
    place([i, j, k]) {
      return (i * this.shape[1] + j) * this.shape[2] + k;
    }

    /** Return the indices of a voxel from its position in the flattened volume. */
    voxel(place) {
      const [, n, m] = this.shape;
      return [Math.floor(place / (n * m)), Math.floor(place / m) % n, place % m];
    }

    /** Return the region at a voxel, -1 for none. */
    regionAt(voxel) {
      return this.labels[this.place(voxel)] - 1;
    }

    toMillimetres = (voxel) => transform(this.affine, voxel);

    toVoxel = (millimetres) => transform(this.inverse, millimetres).map(Math.round);

    /** Return whether indices are of a voxel of the volume. */
    contains = (voxel) => voxel.every((index, axis) => index >= 0 && index < this.shape[axis]);

    /** Return the voxel along an axis that each pixel shows. */
    alongAxis(axis) {
      const [n, length] = [this.pixels[axis], this.shape[axis]];
      return Uint16Array.from({ length: n }, (_, pixel) => Math.floor(((pixel + 0.5) * length) / n));
    }

    /** Paint regions in colours over the greys of the brain. */
    paint(colours, opacity) {
      const table = this.mix(colours, opacity);
      const context = this.picture.getContext("2d");
      const image = context.createImageData(this.picture.width, this.picture.height);
      const out = new Uint32Array(image.data.buffer).fill(0xff000000);
      const [alongX, alongY, alongZ] = [0, 1, 2].map((axis) => this.alongAxis(axis));
      const [nX, nY, nZ] = this.pixels;
      const nGreys = this.brightest + 1;
      for (let x = 0; x < nX; x += 1) {
        const left = (x % this.nColumns) * nY;
        const top = Math.floor(x / this.nColumns) * nZ;
        for (let z = 0; z < nZ; z += 1) {
          let pixel = (top + nZ - 1 - z) * this.picture.width + left;
          for (let y = 0; y < nY; y += 1, pixel += 1) {
            const place = (alongX[x] * this.shape[1] + alongY[y]) * this.shape[2] + alongZ[z];
            out[pixel] = table[this.labels[place] * nGreys + this.greys[place]];
          }
        }
      }
      context.putImageData(image, 0, 0);
    }

    /** Return the colour of each label at each grey, as a pixel. */
    mix(colours, opacity) {
      const nGreys = this.brightest + 1;
      const table = new Uint32Array((colours.length + 1) * nGreys);
      for (let grey = 0; grey < nGreys; grey += 1) {
        const shade = Math.round((Math.max(grey - 1, 0) * 255) / (this.brightest - 1));
        table[grey] = selection.toPixel([shade, shade, shade]);
        colours.forEach((colour, region) => {
          table[(region + 1) * nGreys + grey] = selection.toPixel(
            colour.map((part) => Math.round(shade * (1 - opacity) + part * opacity))
          );
        });
      }
      return table;
    }
  };
})();

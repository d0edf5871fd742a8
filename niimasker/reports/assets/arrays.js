/* Reads the numbers that reports/packing.py packs into a page. */
"use strict";

const arrays = (() => {
  const CODES = { 8: Int8Array, 16: Int16Array };
  const MISSING = { 8: -128, 16: -32768 };

  /** Return the content of a JSON element of the page. */
  const readJson = (id) => JSON.parse(document.getElementById(id).textContent);

  const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  /** Return the rows of a packed array; null where a value is missing. */
  function unpackRows({ packed, data, shape, scale, offset }) {
    const codes = new CODES[packed](decode(data).buffer);
    const [nRows, nColumns] = shape;
    const of = (values, row) => (Array.isArray(values) ? values[row] : values);
    return Array.from({ length: nRows }, (_, row) =>
      Array.from(codes.subarray(row * nColumns, (row + 1) * nColumns), (code) =>
        code === MISSING[packed] ? null : code * of(scale, row) + of(offset, row)
      )
    );
  }

  /** Return a promise of the unsigned whole numbers of a compressed array; browsers before 2023 cannot read it. */
  async function inflate({ bytes, deflated }) {
    const stream = new Blob([decode(deflated)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    return bytes === 2 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  }

  return { readJson, unpackRows, inflate };
})();

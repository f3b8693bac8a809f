// PNG files read and written number by number. Canvases may not be asked for ids: colour
// profiles, and browsers that guard against fingerprints, change what they give back.

import { crc32 } from "./crc.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0;
const RGB = 2;
const PALETTE = 3;

/**
 * The numbers in an 8-bit grey PNG, as the server writes them.
 * @param {Uint8Array} bytes the file
 * @returns {Promise<{width: number, height: number, values: Uint8Array}>}
 */
export async function readGrey(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [];
  let width, height;
  for (let at = SIGNATURE.length; at < bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = at + 8;
    if (kind === "IHDR") {
      width = view.getUint32(data);
      height = view.getUint32(data + 4);
      const [depth, colour, , , interlaced] = bytes.subarray(data + 8, data + 13);
      if (depth !== 8 || colour !== GREY || interlaced) {
        throw new Error("a PNG of another kind than the server writes");
      }
    }
    if (kind === "IDAT") parts.push(bytes.subarray(data, data + length));
    at = data + length + 4;
  }
  const rows = await through(new DecompressionStream("deflate"), parts);
  return { width, height, values: unfiltered(rows, width, height) };
}

/**
 * A PNG of ids with a palette, as `segjax predict` writes them.
 * @param {Uint8Array} ids row by row
 * @param {number[][]} colours RGB of each class
 */
export function writePalette(ids, width, height, colours) {
  const palette = new Uint8Array(768);
  colours.forEach((colour, k) => palette.set(colour, 3 * k));
  return write(ids, width, height, PALETTE, palette);
}

/** A PNG of 8-bit RGB, of three numbers a pixel. */
export function writeRgb(values, width, height) {
  return write(values, width, height, RGB, null);
}

async function write(values, width, height, colour, palette) {
  const stride = values.length / height;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    rows.set(values.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, colour], 8);
  const data = await through(new CompressionStream("deflate"), [rows]);
  return new Blob(
    [
      Uint8Array.from(SIGNATURE),
      chunk("IHDR", head),
      ...(palette ? [chunk("PLTE", palette)] : []),
      chunk("IDAT", data),
      chunk("IEND", new Uint8Array(0)),
    ],
    { type: "image/png" },
  );
}

function chunk(kind, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

async function through(stream, parts) {
  const piped = new Blob(parts).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

/** Undo the filters of rows of one byte a pixel (PNG specification, section 9). */
function unfiltered(rows, width, height) {
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (width + 1)];
    const from = y * (width + 1) + 1;
    const to = y * width;
    for (let x = 0; x < width; x++) {
      const left = x ? values[to + x - 1] : 0;
      const above = y ? values[to + x - width] : 0;
      const corner = x && y ? values[to + x - width - 1] : 0;
      const guess =
        filter === 0 ? 0
        : filter === 1 ? left
        : filter === 2 ? above
        : filter === 3 ? (left + above) >> 1
        : paeth(left, above, corner);
      values[to + x] = rows[from + x] + guess;
    }
  }
  return values;
}

function paeth(left, above, corner) {
  const sum = left + above - corner;
  const a = Math.abs(sum - left);
  const b = Math.abs(sum - above);
  const c = Math.abs(sum - corner);
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

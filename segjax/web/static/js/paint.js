// From numbers to colours: class maps, outlines, scales, errors, disagreement.

const SHADES = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37],
]; // viridis of matplotlib, at ten places; css/result.css has them, too

const WRONG = [214, 39, 80, 255];
const IGNORED = [128, 128, 128, 200];

/** Colours of the numbers 0 to 255, RGBA of 32 bits each, for `drawn`. */
function table(colourOf) {
  const bytes = new Uint8Array(1024);
  for (let k = 0; k < 256; k++) bytes.set(colourOf(k), 4 * k);
  return new Uint32Array(bytes.buffer);
}

const LINES = 1200; // pixels of an outline's canvas, along the longer side

const CLEAR = [0, 0, 0, 0];

/** Of class ids: hidden classes are clear. */
export function classTable(colours, hidden) {
  return table((k) => (k in colours && !hidden.has(k) ? [...colours[k], 255] : CLEAR));
}

/** Of shares: 255 is the most. */
export const SCALE = table((k) => {
  const place = (k / 255) * (SHADES.length - 1);
  const low = Math.min(Math.floor(place), SHADES.length - 2);
  const mixed = SHADES[low].map((v, i) => v + (SHADES[low + 1][i] - v) * (place - low));
  return [...mixed.map(Math.round), 255];
});

/** Of errors: 1 is wrong, 255 ignored. */
export const ERRORS = table((k) => (k === 1 ? WRONG : k === 255 ? IGNORED : CLEAR));

/** Numbers drawn by a table of colours, on a canvas of the picture's size. */
export function drawn(values, width, height, colours) {
  const pixels = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) pixels[i] = colours[values[i]];
  return canvasOf(pixels, width, height);
}

/** Lines where classes meet that are not both hidden, white; the canvas is finer than
 * a small picture, so that lines are thin. */
export function outlined(ids, width, height, hidden) {
  const longer = Math.max(width, height);
  const fine = Math.max(1, Math.ceil(LINES / longer));
  const thick = Math.max(1, Math.round(longer / LINES));
  const canvas = new OffscreenCanvas(width * fine, height * fine);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  const meet = (i, j) => ids[i] !== ids[j] && !(hidden.has(ids[i]) && hidden.has(ids[j]));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && meet(i, i + 1)) {
        context.fillRect((x + 1) * fine, y * fine, thick, fine + thick);
      }
      if (y + 1 < height && meet(i, i + width)) {
        context.fillRect(x * fine, (y + 1) * fine, fine + thick, thick);
      }
    }
  }
  return canvas;
}

/** Ids where a mask of 0 and 1 is 1; 255 elsewhere, which has no colour. */
export function where(mask, ids) {
  return ids.map((id, i) => (mask[i] ? id : 255));
}

/** Colours of all ids, three numbers a pixel. */
export function rgbOf(ids, colours) {
  const values = new Uint8Array(3 * ids.length);
  ids.forEach((id, i) => values.set(colours[id] ?? [0, 0, 0], 3 * i));
  return values;
}

function canvasOf(pixels, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

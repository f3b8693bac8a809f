// Files of a result, made in the browser: nothing is kept at the server.

import { make } from "./make.js";
import { drawn, classTable, rgbOf } from "./paint.js";
import { writePalette, writeRgb } from "./png.js";
import { zip } from "./zip.js";

const OVERLAY = 0.65; // of the colours over the picture

const FILES = {
  mask: ["Mask of ids", "png", mask],
  colours: ["Colours", "png", colours],
  overlay: ["Overlay", "png", overlay],
  shares: ["Shares", "json", shares],
};

/** Links for each model of a result of `answer.opened`, and one for all files. */
export function downloads(result) {
  const rows = result.said.map((said) =>
    make("div", { class: "row" }, make("b", {}, said.title),
      ...Object.entries(FILES).map(([kind, [words]]) =>
        make("button", { type: "button", "data-file": kind, "data-model": said.name,
          "aria-label": `${words} of ${said.title}`,
          onclick: async () => save(...(await file(result, said, kind))) }, words))));
  const all = make("button", { type: "button", "data-file": "zip", onclick: () => saveAll(result) }, "All as one zip");
  return make("section", {}, make("h3", {}, "Download"), ...rows, all);
}

/** The letters that names of files begin with, after the picture's name. */
export function stem(name) {
  const plain = name.replace(/^.*[\\/]/, "").replace(/\.[^.]*$/, "");
  return plain.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "picture";
}

async function file(result, said, kind) {
  const [, suffix, draw] = FILES[kind];
  return [`${stem(result.question.name)}_${said.name}_${kind}.${suffix}`, await draw(said, result)];
}

async function saveAll(result) {
  const files = [];
  for (const said of result.said) {
    for (const kind of Object.keys(FILES)) files.push(await file(result, said, kind));
  }
  save(`${stem(result.question.name)}_segjax.zip`, await zip(files));
}

function mask(said, { width, height }) {
  return writePalette(said.maps.ids, width, height, said.table.colours);
}

function colours(said, { width, height }) {
  return writeRgb(rgbOf(said.maps.ids, said.table.colours), width, height);
}

function overlay(said, { bitmap, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
  context.globalAlpha = bitmap ? OVERLAY : 1;
  const colours = classTable(said.table.colours, new Set());
  context.drawImage(drawn(said.maps.ids, width, height, colours), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

function shares(said, { question, width, height }) {
  const { name, seconds, shares: _, scores } = said;
  const classes = [...said.shares].map(([id, share]) => ({ id, name: said.table.names[id], share }));
  const found = { picture: question.name, width, height, model: name, classes, scores, seconds };
  return new Blob([JSON.stringify(found, null, 1)], { type: "application/json" });
}

function save(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

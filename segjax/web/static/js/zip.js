// A zip file of files that are stored as they are (APPNOTE 6.3, sections 4.3.7, .12, .16).

import { crc32 } from "./crc.js";

/**
 * Several files as one.
 * @param {Array<[string, Blob]>} files names and contents
 */
export async function zip(files) {
  const parts = [];
  const entries = [];
  let offset = 0;
  for (const [name, blob] of files) {
    const content = new Uint8Array(await blob.arrayBuffer());
    const letters = new TextEncoder().encode(name);
    const about = described(content, letters);
    const head = record(0x04034b50, [[2, 20], ...about], letters);
    entries.push(
      record(
        0x02014b50,
        [[2, 20], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]],
        letters,
      ),
    );
    parts.push(head, content);
    offset += head.length + content.length;
  }
  const size = entries.reduce((sum, entry) => sum + entry.length, 0);
  const end = record(0x06054b50, [
    [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0],
  ]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

/** The fields that stand with a file and in the directory alike. */
function described(content, letters) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const utf8 = 0x0800;
  return [
    [2, utf8], [2, 0], [2, time], [2, date], [4, crc32(content)],
    [4, content.length], [4, content.length], [2, letters.length], [2, 0],
  ];
}

/** A record of little-endian numbers, each [bytes, value], and letters behind. */
function record(signature, fields, letters = new Uint8Array(0)) {
  const all = [[4, signature], ...fields];
  const length = all.reduce((sum, [bytes]) => sum + bytes, 0);
  const found = new Uint8Array(length + letters.length);
  const view = new DataView(found.buffer);
  let at = 0;
  for (const [bytes, value] of all) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  found.set(letters, length);
  return found;
}

// An answer of the server made ready to be drawn: PNG files become numbers.

import { readGrey } from "./png.js";

const DATA = "data:image/png;base64,";

/**
 * @param {object} question as it was asked, see `api.predict`
 * @param {object} answer as the API gives it
 * @param {Map<string, object>} about what is known of the models, by name
 */
export async function opened(question, answer, about) {
  const { width, height } = answer.picture;
  const tables = new Map();
  return {
    question,
    answer,
    width,
    height,
    bitmap: await createImageBitmap(question.picture).catch(() => null),
    said: await Promise.all(
      answer.models
        .filter((said) => said.maps)
        .map((said) => openedModel(said, about.get(said.name), tables)),
    ),
    silent: answer.models.filter((said) => !said.maps),
    differences: await Promise.all(
      answer.differences.map(async (d) => ({ ...d, mask: await numbers(d.map) })),
    ),
  };
}

/** Models of the same classes share a table, and what is hidden of it. */
function tableOf(about, tables) {
  const key = JSON.stringify([about.class_names, about.class_colours]);
  if (!tables.has(key)) {
    const { class_names: names, class_colours: colours } = about;
    tables.set(key, { names, colours, hidden: new Set() });
  }
  return tables.get(key);
}

async function openedModel(said, about, tables) {
  const maps = {};
  for (const [name, address] of Object.entries(said.maps)) {
    if (address) maps[name] = await numbers(address);
  }
  return {
    ...said,
    title: about.title || said.name,
    table: tableOf(about, tables),
    maps,
    shares: new Map(said.shares.map((each) => [each.id, each.share])),
  };
}

async function numbers(address) {
  const letters = atob(address.slice(DATA.length));
  return (await readGrey(Uint8Array.from(letters, (c) => c.charCodeAt(0)))).values;
}

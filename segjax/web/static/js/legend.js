// The classes as buttons that show and hide them.

import { make, percent, swatch } from "./make.js";

/**
 * @param {object} result of `answer.opened`
 * @param {() => void} changed told when other classes are hidden
 * @returns {{element: Node, toggle: () => void}} `toggle` shows all classes, or none
 */
export function legend(result, changed) {
  const tables = [...new Set(result.said.map((said) => said.table))];
  const parts = tables.map((table) => part(table, result, changed));
  const element = make("div", {}, ...parts.map((p) => p.element));
  return { element, toggle: () => parts.forEach((p) => p.toggle()) };
}

function part(table, result, changed) {
  const models = result.said.filter((said) => said.table === table);
  const most = (k) => Math.max(...models.map((said) => said.shares.get(k) ?? 0));
  const ids = table.names.map((_, k) => k).sort((a, b) => most(b) - most(a));
  const buttons = new Map();
  const set = (hidden) => {
    table.hidden.clear();
    hidden.forEach((k) => table.hidden.add(k));
    for (const [k, button] of buttons) button.setAttribute("aria-pressed", !table.hidden.has(k));
    changed();
  };
  const click = (k) => (e) => {
    const others = ids.filter((other) => other !== k);
    const alone = others.every((other) => table.hidden.has(other)) && !table.hidden.has(k);
    if (e.shiftKey) return set(alone ? [] : others);
    set(table.hidden.has(k) ? [...table.hidden].filter((h) => h !== k) : [...table.hidden, k]);
  };
  for (const k of ids) {
    const share = models.length === 1 && most(k) ? [make("span", { class: "faint" }, percent(most(k)))] : [];
    buttons.set(
      k,
      make("button", { type: "button", class: "class", "aria-pressed": !table.hidden.has(k), onclick: click(k) },
        swatch(table.colours[k]), table.names[k], ...share),
    );
  }
  const toggle = () => set(table.hidden.size ? [] : ids);
  const there = ids.filter(most).map((k) => buttons.get(k));
  const absent = ids.filter((k) => !most(k)).map((k) => buttons.get(k));
  const element = make("section", {},
    make("h3", {}, "Classes", ...(models.length < result.said.length ? [make("span", { class: "faint" }, ` of ${models.map((m) => m.title).join(", ")}`)] : []),
      make("button", { type: "button", class: "quiet", onclick: toggle }, "All or none")),
    make("div", { class: "classes" }, ...there));
  if (absent.length) {
    element.append(make("details", {},
      make("summary", {}, `${absent.length} more that do not occur`),
      make("div", { class: "classes" }, ...absent)));
  }
  return { element, toggle };
}

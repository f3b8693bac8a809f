// Elements made in one line.

/**
 * An element with properties and children; `class`, `scope` and the like are attributes.
 * @param {string} kind
 * @param {object} attributes; functions become listeners of clicks
 * @param {...(Node|string)} children
 */
export function make(kind, attributes = {}, ...children) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A patch of a class's colour. */
export function swatch(colour) {
  const patch = make("span", { class: "swatch" });
  patch.style.setProperty("--colour", `rgb(${colour.join(" ")})`);
  return patch;
}

/** A share in per cent. */
export function percent(part) {
  return part === null || part === undefined ? "–" : `${(100 * part).toFixed(1)} %`;
}

/** A duration in ms or s. */
export function duration(seconds) {
  return seconds < 1 ? `${(1000 * seconds).toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
}

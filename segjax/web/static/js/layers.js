// What lies over the picture for each model and map; drawn once and kept until it changes.

import * as paint from "./paint.js";

export const MAPS = {
  ids: "Classes",
  confidence: "Confidence",
  entropy: "Entropy",
  errors: "Errors",
  difference: "Disagreement",
};

/** The layers of one result. */
export class Layers {
  /** @param {object} result of `answer.opened` */
  constructor(result) {
    this.result = result;
    this.kept = new Map();
  }

  /** Names of the maps that there are. */
  get maps() {
    const { said, differences } = this.result;
    return Object.keys(MAPS).filter((map) =>
      map === "difference" ? differences.length : said.some((s) => s.maps[map]),
    );
  }

  /** Forget what is drawn of classes, as others are hidden now. */
  forget() {
    this.kept.clear();
  }

  /** The layer of a model's map, a canvas; null if it has none. */
  of(said, map) {
    return this.once(`${said.name} ${map}`, () => {
      const { width, height } = this.result;
      const values = map === "difference" ? this.differing(said) : said.maps[map];
      return values && paint.drawn(values, width, height, this.colours(said, map));
    });
  }

  /** The lines between a model's classes. */
  outline(said) {
    const { width, height } = this.result;
    return this.once(`${said.name} outline`, () =>
      paint.outlined(said.maps.ids, width, height, said.table.hidden),
    );
  }

  colours(said, map) {
    if (map === "errors") return paint.ERRORS;
    if (map === "confidence" || map === "entropy") return paint.SCALE;
    return paint.classTable(said.table.colours, said.table.hidden);
  }

  /** The classes of a model where another one, the first if there are several, says
   * otherwise; of the first itself, where any other does. */
  differing(said) {
    const ours = this.result.differences.filter((d) => d.models.includes(said.name));
    if (!ours.length) return null;
    const first = this.result.said[0].name;
    const pairs = said.name === first ? ours : [ours.find((d) => d.models.includes(first)) ?? ours[0]];
    const any = pairs[0].mask.map((_, i) => pairs.some((d) => d.mask[i]));
    return paint.where(any, said.maps.ids);
  }

  once(key, draw) {
    if (!this.kept.has(key)) this.kept.set(key, draw());
    return this.kept.get(key);
  }
}

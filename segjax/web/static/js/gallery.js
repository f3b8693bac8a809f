// Past results of this visit, in the memory of the page alone.

import { make } from "./make.js";

const MOST = 30; // the oldest goes first
const SIDE = 160; // of a thumbnail, in pixels

/** The strip of past results. */
export class Gallery {
  /**
   * @param {HTMLElement} section
   * @param {(entry: object) => void} show told which one is wanted
   */
  constructor(section, show) {
    this.section = section;
    this.list = section.querySelector("ul");
    this.show = show;
    section.querySelector("[data-clear]").onclick = () => {
      this.list.replaceChildren();
      section.hidden = true;
    };
  }

  /** Keep a result of `answer.opened`; its numbers are unpacked again when it is shown. */
  add({ question, answer, bitmap, width, height, said }, overlay) {
    const canvas = make("canvas", { "aria-hidden": true });
    const scale = Math.min(1, SIDE / Math.max(width, height)) * (window.devicePixelRatio || 1);
    canvas.width = Math.max(1, width * scale);
    canvas.height = Math.max(1, height * scale);
    const context = canvas.getContext("2d");
    if (bitmap) context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 0.65;
    if (overlay) context.drawImage(overlay, 0, 0, canvas.width, canvas.height);
    const models = said.map((each) => each.title).join(", ");
    const words = make("span", {}, make("b", {}, question.name), make("span", { class: "faint" }, models));
    const entry = { question, answer };
    this.list.prepend(make("li", {}, make("button", { type: "button", onclick: () => this.show(entry) }, canvas, words)));
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
    this.section.hidden = false;
  }
}

// The models: which are chosen, and what becomes of them while the page is open.

import { models as ask } from "./api.js";
import { say } from "./say.js";

const POLL = 3000; // milliseconds

/** The list of models to choose from. */
export class Models {
  /** @param {HTMLFormElement} form that has their boxes */
  constructor(form) {
    this.form = form;
    this.most = Number(form.dataset.mostModels);
    this.known = "";
    this.about = new Map();
    this.wanted = null; // names; null until the visitor has chosen
    form.addEventListener("change", (e) => {
      if (e.target.type === "checkbox") this.choose(e.target);
    });
  }

  /** Names of those that are chosen and ready. */
  get chosen() {
    return this.boxes().filter((box) => box.checked && !box.disabled).map(nameOf(this.form));
  }

  boxes() {
    return [...this.form.querySelectorAll("#picks input")];
  }

  choose(box) {
    if (this.chosen.length > this.most) {
      box.checked = false;
      say(`${this.most} models at most can be compared.`);
    }
    this.wanted = this.chosen;
  }

  /** Look again and again for models that come, go or change. */
  async follow() {
    await this.look();
    setInterval(() => document.hidden || this.look(), POLL);
  }

  async look() {
    try {
      const found = await ask();
      for (const model of found) this.about.set(model.name, model);
      const text = JSON.stringify(found);
      if (this.known && this.known !== text) await this.redraw();
      this.known = text;
      document.body.classList.remove("offline");
    } catch {
      document.body.classList.add("offline");
    }
  }

  /** Take both lists from the page as the server writes it now. */
  async redraw() {
    const answer = await fetch("/");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["picks", "models"]) {
      const focused = document.activeElement?.name;
      document.getElementById(id).replaceChildren(...page.getElementById(id).childNodes);
      if (focused) this.form.elements[focused]?.focus();
    }
    if (!this.wanted) return;
    for (const box of this.boxes()) {
      box.checked = this.wanted.includes(nameOf(this.form)(box)) && !box.disabled;
    }
  }
}

const nameOf = (form) => (box) => box.name.slice(form.dataset.prefix.length);

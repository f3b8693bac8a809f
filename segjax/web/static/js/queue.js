// Pictures on their way: one after another, with progress, a way out, and new tries.

import { predict } from "./api.js";
import { say, sentence } from "./say.js";

const MOST_TRIES = 6;

/** The list of pictures that wait or are sent. */
export class Queue {
  /**
   * @param {HTMLElement} list where they are shown
   * @param {(question: object, answer: object) => void} answered told of each answer
   */
  constructor(list, answered) {
    this.list = list;
    this.answered = answered;
    this.waiting = [];
    this.busy = false;
  }

  /** Put a question behind those that wait; see `api.predict`. */
  add(question) {
    const part = document.getElementById("queue-part").content.cloneNode(true);
    const item = { question, row: part.firstElementChild, gone: new AbortController() };
    item.row.querySelector(".name").textContent = question.name;
    item.row.querySelector("[data-cancel]").onclick = () => this.remove(item);
    item.row.querySelector("[data-again]").onclick = () => this.again(item);
    this.list.append(part);
    this.again(item);
  }

  again(item) {
    item.tries = 0;
    tell(item, "waiting");
    this.waiting.push(item);
    this.next();
  }

  remove(item) {
    this.waiting = this.waiting.filter((other) => other !== item);
    item.gone.abort();
    item.row.remove();
  }

  async next() {
    if (this.busy || !this.waiting.length) return;
    this.busy = true;
    const item = this.waiting.shift();
    try {
      const answer = await this.ask(item);
      item.row.remove();
      this.answered(item.question, answer);
    } catch (refusal) {
      if (!item.gone.signal.aborted) {
        tell(item, "failed", sentence(refusal));
        say(`${item.question.name}: ${sentence(refusal)}`);
      }
    }
    this.busy = false;
    this.next();
  }

  /** Ask until there is an answer, or no hope of one. */
  async ask(item) {
    for (;;) {
      tell(item, "sending", "sending");
      const sent = (part) => tell(item, "sending", part < 1 ? "sending" : "at the models", part);
      try {
        return await predict(item.question, sent, item.gone.signal);
      } catch (refusal) {
        item.tries += 1;
        if (!refusal.seconds || item.tries === MOST_TRIES) throw refusal;
        await this.countdown(item, refusal);
      }
    }
  }

  async countdown(item, refusal) {
    for (let left = refusal.seconds; left > 0; left--) {
      tell(item, "waiting", `${refusal.message} Next try in ${left} s.`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (item.gone.signal.aborted) throw refusal;
    }
  }
}

function tell(item, state, words = state, part = 0) {
  item.row.dataset.state = state;
  item.row.querySelector(".state").textContent = words;
  const progress = item.row.querySelector("progress");
  if (state === "sending" && part < 1) progress.value = part;
  else progress.removeAttribute("value");
  progress.hidden = state === "failed";
  item.row.querySelector("[data-again]").hidden = state !== "failed";
  item.row.querySelector("[data-cancel]").textContent = state === "failed" ? "Remove" : "Cancel";
}

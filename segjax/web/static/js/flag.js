// The dialog by which a visitor gives a picture away, where the server keeps such.

import { flag } from "./api.js";
import { make } from "./make.js";
import { say, sentence } from "./say.js";

/** Whether this server keeps flagged pictures. */
export function canFlag() {
  return Boolean(document.getElementById("flag"));
}

/** Ask what is the matter with a result of `answer.opened`, and send it. */
export function askAndSend(result) {
  const dialog = document.getElementById("flag");
  const form = dialog.querySelector("form");
  const { model } = form.elements;
  model.replaceChildren(...result.said.map((said) => make("option", { value: said.name }, said.title)));
  form.elements.consent.checked = false;
  dialog.onclose = async () => {
    if (dialog.returnValue !== "send") return;
    const { reason, comment } = form.elements;
    const { picture, name } = result.question;
    try {
      await flag({ picture, name, model: model.value, reason: reason.value, comment: comment.value });
      form.reset();
      say("Kept. Thank you.");
    } catch (refusal) {
      say(sentence(refusal));
    }
  };
  dialog.returnValue = "";
  dialog.showModal();
}

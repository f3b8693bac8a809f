// The page: pictures go from the intake through the queue to a result and the gallery.

import { opened } from "./answer.js";
import { Gallery } from "./gallery.js";
import * as intake from "./intake.js";
import * as keys from "./keys.js";
import { Models } from "./models.js";
import { Queue } from "./queue.js";
import { Result } from "./result.js";
import { say } from "./say.js";

const form = document.getElementById("form");
const place = document.getElementById("result");
const models = new Models(form);
const queue = new Queue(document.getElementById("queue"), answered);
const gallery = new Gallery(document.getElementById("gallery"), ({ question, answer }) => show(question, answer));
let shown = null;

intake.listen(form, take);
keys.listen(() => shown);
models.follow();

function take(files, reference, classes) {
  const chosen = models.chosen;
  if (!chosen.length) return say("Choose a model first.");
  const other = chosen.find((name) => classes && models.about.get(name)?.class_names.join() !== classes);
  if (other) {
    reference = null;
    say(`Not scored: ${other} has other classes than the true mask.`);
  }
  const most = Number(form.dataset.mostBytes);
  files.forEach((file, i) => {
    if (file.size > most) {
      return say(`${file.name} is larger than ${Math.round(most / 1e6)} MB. Scale it down, or save it as JPEG.`);
    }
    const mask = i ? null : reference;
    queue.add({ picture: file, name: file.name || "pasted.png", models: chosen, reference: mask });
  });
  if (reference && files.length > 1) say("The reference mask goes with the first picture alone.");
}

async function answered(question, answer) {
  const result = await show(question, answer);
  gallery.add(result, shown.layers.of(result.said[0], "ids"));
  const names = result.said.map((said) => said.title).join(", ");
  say(`${question.name}: answered by ${names}.`, true);
}

async function show(question, answer) {
  const result = await opened(question, answer, models.about);
  const again = (reference) => queue.add({ ...question, reference, models: models.chosen });
  shown = new Result(place, result, again);
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "start" });
  return result;
}

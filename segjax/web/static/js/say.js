// Sentences for people: the strip at the foot of the page, and advice on refusals.

const SHOWN = 6000; // milliseconds

const ADVICE = {
  other_format: "Save it as PNG, JPEG or WebP and try again.",
  damaged: "Open it in another program and save it anew.",
  too_large: "Scale the picture down, or save it as JPEG.",
  too_costly: "Save it anew as a plain PNG or JPEG.",
  other_pixels: "Choose a model that takes such pictures.",
  bad_reference: "The mask is to be a PNG of class ids, as large as the picture.",
  no_such_model: "Choose another model; this one is gone.",
  internal: "If it happens again, tell those who run this server.",
};

let timer;

/** Show a sentence for a while, and have it read out; `quietly`, the latter alone. */
export function say(words, quietly = false) {
  const place = document.getElementById("say");
  place.textContent = words;
  place.classList.toggle("shown", !quietly);
  clearTimeout(timer);
  timer = setTimeout(() => place.classList.remove("shown"), SHOWN);
}

/** Why there is no answer, and what to do. */
export function sentence(refusal) {
  return [refusal.message, ADVICE[refusal.code]].filter(Boolean).join(" ");
}

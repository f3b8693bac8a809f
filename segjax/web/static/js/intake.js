// Where pictures come from: the picker, the camera, a drop, the clipboard, the samples.

import { say } from "./say.js";

/**
 * Listen for pictures.
 * @param {HTMLFormElement} form the page's form, which works without this script, too
 * @param {(files: File[], reference: Blob?, classes: string?) => void} take told of
 *   pictures; `classes` are those of the reference, if they are known
 */
export function listen(form, take) {
  const reference = form.elements.reference;
  form.classList.toggle("touch", navigator.maxTouchPoints > 0);
  const takeAll = (files) => {
    if (!files.length) return;
    take([...files], reference.files[0]);
    reference.value = "";
  };
  for (const input of form.querySelectorAll("#picture, #camera")) {
    input.addEventListener("change", () => {
      takeAll(input.files);
      input.value = "";
    });
  }
  form.addEventListener("submit", (e) => e.preventDefault());
  document.addEventListener("paste", (e) => takeAll(e.clipboardData.files));
  listenForDrops(takeAll);
  for (const link of form.querySelectorAll("[data-sample]")) {
    link.addEventListener("click", async (e) => {
      e.preventDefault();
      const { sample, truth } = link.dataset;
      const classes = link.closest("[data-classes]").dataset.classes;
      try {
        const [picture, mask] = await Promise.all([link.href, truth].map(fetched));
        take([new File([picture], `${sample}.webp`, { type: picture.type })], mask, classes);
      } catch {
        say("The server does not answer.");
      }
    });
  }
}

function listenForDrops(takeAll) {
  const mark = (on) => document.body.classList.toggle("dropping", on);
  document.addEventListener("dragover", (e) => {
    if (!e.dataTransfer.types.includes("Files")) return;
    e.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (e) => {
    if (!e.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (e) => {
    if (!e.dataTransfer.types.includes("Files")) return;
    e.preventDefault();
    mark(false);
    takeAll(e.dataTransfer.files);
  });
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(address);
  return answer.blob();
}

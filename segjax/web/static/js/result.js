// A result on the page: panes, what is shown in them, legend, numbers, downloads.

import { downloads } from "./downloads.js";
import { askAndSend, canFlag } from "./flag.js";
import { Layers, MAPS } from "./layers.js";
import { legend } from "./legend.js";
import { duration, make, percent, swatch } from "./make.js";
import { numbers } from "./numbers.js";
import { Pane } from "./pane.js";
import { handle } from "./swipe.js";
import { View } from "./view.js";

const ZOOM = 1.5;
const PICTURE = "";
const SCALES = { confidence: "the largest share of a class", entropy: "how spread out the shares are" };

/** One result, see `answer.opened`. */
export class Result {
  /**
   * @param {HTMLElement} place that it fills
   * @param {object} result
   * @param {(reference: Blob?) => void} again asks about the picture once more
   */
  constructor(place, result, again) {
    Object.assign(this, { place, result, panes: [], swiped: 0.5 });
    this.layers = new Layers(result);
    this.view = new View(result.width, result.height);
    place.replaceChildren(document.getElementById("result-part").content.cloneNode(true));
    place.hidden = false;
    this.fill(again);
    this.listen();
    this.arrange(result.said.length > 1 ? "grid" : "swipe");
  }

  find(selector) {
    return this.place.querySelector(selector);
  }

  fill(again) {
    const { question, width, height, said, silent, answer } = this.result;
    this.find("h2").textContent = question.name;
    this.find(".facts").textContent = `${width} × ${height} pixels, ${duration(answer.seconds.total)}`;
    this.find(".head").after(
      ...silent.map((each) => make("p", { class: "alert" }, `${each.name}: ${each.error}`)),
      ...(this.result.bitmap ? [] : [make("p", { class: "note" }, "This browser cannot show such a file; the classes are drawn alone.")]),
    );
    this.find("[data-map]").append(...this.layers.maps.map((map) => make("option", { value: map }, MAPS[map])));
    const sides = () => [
      make("option", { value: PICTURE }, "Picture"),
      ...said.map((each) => make("option", { value: each.name }, each.title)),
    ];
    for (const side of ["left", "right"]) this.find(`[data-${side}]`).append(...sides());
    this.find("[data-left]").value = said.length > 1 ? said[0].name : PICTURE;
    this.find("[data-right]").value = said.at(-1).name;
    this.legend = legend(this.result, () => {
      this.layers.forget();
      this.draw();
    });
    this.find(".legend").append(this.legend.element);
    this.find(".numbers").append(numbers(this.result));
    this.find(".downloads").append(downloads(this.result));
    this.find("[data-repeat]").onclick = () => again(question.reference);
    this.find("#score").onchange = (e) => again(e.target.files[0]);
    this.find("[data-flag]").hidden = !canFlag();
    this.find("[data-flag]").onclick = () => askAndSend(this.result);
    this.find("[data-picture]").setAttribute("aria-pressed", said.length % 2 === 1);
  }

  listen() {
    this.find("[data-layout]").onclick = (e) => e.target.value && this.arrange(e.target.value);
    this.find("[data-map]").onchange = () => this.draw();
    this.find("[data-opacity]").oninput = () => this.draw();
    this.find("[data-outline]").onclick = () => this.toggleOutline();
    this.find("[data-picture]").onclick = (e) => {
      press(e.target, !pressed(e.target));
      this.arrange("grid");
    };
    for (const side of ["left", "right"]) this.find(`[data-${side}]`).onchange = () => this.arrange("swipe");
    for (const button of this.place.querySelectorAll("[data-zoom]")) {
      button.onclick = () => this.zoom(button.dataset.zoom);
    }
  }

  /** Put panes side by side, or two sides into one pane. */
  arrange(layout) {
    this.panes.forEach(({ pane }) => pane.close());
    for (const button of this.find("[data-layout]").children) press(button, button.value === layout);
    this.find(".sides").hidden = layout !== "swipe";
    this.find("[data-picture]").hidden = layout === "swipe";
    const place = this.find(".panes");
    place.replaceChildren();
    this.panes = layout === "swipe" ? [this.swipePane(place)] : this.gridPanes(place);
    const { width, height } = this.result;
    const look = this.find(".look");
    look.dataset.count = this.panes.length;
    look.dataset.shape = height > 1.2 * width ? "tall" : "wide";
    this.draw();
  }

  gridPanes(place) {
    const sides = pressed(this.find("[data-picture]")) ? [null, ...this.result.said] : this.result.said;
    return sides.map((said) =>
      this.newPane(place, said?.title ?? "Picture", facts(said), said, (context) => this.paint(context, said)));
  }

  swipePane(place) {
    const [left, right] = ["left", "right"].map((side) => {
      const name = this.find(`[data-${side}]`).value;
      return this.result.said.find((said) => said.name === name) ?? null;
    });
    const title = (said) => said?.title ?? "Picture";
    const made = this.newPane(place, `${title(left)} | ${title(right)}`, facts(right ?? left), right ?? left, (context, pane) => {
      const cut = pane.canvas.width * this.swiped;
      this.half(context, 0, cut, left);
      this.half(context, cut, pane.canvas.width - cut, right);
    });
    handle(made.figure.querySelector(".stage"), (part) => {
      this.swiped = part;
      made.pane.draw();
    });
    return made;
  }

  newPane(place, title, words, said, paint) {
    const part = document.getElementById("pane-part").content.cloneNode(true);
    const figure = part.querySelector("figure");
    figure.querySelector("b").textContent = title;
    figure.querySelector(".faint").textContent = words;
    const canvas = figure.querySelector("canvas");
    canvas.setAttribute("aria-label", described(title, said));
    place.append(part);
    const pane = new Pane(canvas, this.view, paint, (x, y) => this.over(Math.floor(x), Math.floor(y)));
    return { pane, figure, said };
  }

  half(context, from, width, said) {
    context.save();
    const back = context.getTransform();
    context.resetTransform();
    context.beginPath();
    context.rect(from, 0, width, context.canvas.height);
    context.setTransform(back);
    context.clip();
    this.paint(context, said);
    context.restore();
  }

  /** The picture, and over it what a model says; null for the picture alone. */
  paint(context, said) {
    const { bitmap, width, height } = this.result;
    const map = this.find("[data-map]").value;
    if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
    if (!said) return;
    if (map === "difference") {
      context.fillStyle = "rgb(128 128 128 / .6)";
      context.fillRect(0, 0, width, height);
    }
    context.imageSmoothingEnabled = context.getTransform().a < 1;
    context.globalAlpha = bitmap ? this.find("[data-opacity]").value / 100 : 1;
    const layer = this.layers.of(said, map);
    if (layer) context.drawImage(layer, 0, 0);
    context.globalAlpha = 1;
    if (map === "ids" && pressed(this.find("[data-outline]"))) {
      context.drawImage(this.layers.outline(said), 0, 0, width, height);
    }
  }

  draw() {
    const map = this.find("[data-map]").value;
    const scale = this.find(".scale");
    scale.hidden = map === "ids";
    scale.replaceChildren(...this.scaleWords(map));
    this.panes.forEach(({ pane }) => pane.draw());
  }

  scaleWords(map) {
    if (map in SCALES) {
      const most = map === "entropy" ? "all classes alike" : "100 %";
      return ["0", make("span", { class: "gradient" }), most, make("span", { class: "faint" }, SCALES[map])];
    }
    if (map === "errors") return [make("span", { class: "swatch wrong" }), "wrong", make("span", { class: "swatch ignored" }), "not scored"];
    if (map === "difference") return [`Classes where ${this.result.said[0].title} and the other say something else; the rest is dimmed.`];
    return [];
  }

  /** Tell in each pane what is at a pixel. */
  over(x, y) {
    const { width, height } = this.result;
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const i = y * width + x;
    for (const { figure, said } of this.panes) {
      const place = figure.querySelector(".under");
      if (!said) {
        place.replaceChildren(`${x}, ${y}`);
        continue;
      }
      const id = said.maps.ids[i];
      const sure = said.maps.confidence ? ` ${percent(said.maps.confidence[i] / 255)}` : "";
      place.replaceChildren(swatch(said.table.colours[id]), `${said.table.names[id]}${sure}`);
    }
  }

  zoom(way) {
    if (way === "fit") this.view.fit();
    else this.view.zoomBy(way === "in" ? ZOOM : 1 / ZOOM);
  }

  toggleOutline() {
    const button = this.find("[data-outline]");
    press(button, !pressed(button));
    this.draw();
  }

  toggleClasses() {
    this.legend.toggle();
  }

  nextMap() {
    const select = this.find("[data-map]");
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    this.draw();
  }
}

const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", on);

function facts(said) {
  if (!said) return "";
  const score = said.scores ? `mIoU ${percent(said.scores.miou)}, ` : "";
  return `${score}${duration(said.seconds.network)}`;
}

function described(title, said) {
  if (!said) return `${title}. Arrow keys move it when it is zoomed.`;
  const largest = [...said.shares].sort((a, b) => b[1] - a[1]).slice(0, 3);
  const words = largest.map(([k, share]) => `${said.table.names[k]} ${percent(share)}`);
  return `${title}: ${words.join(", ")}. Arrow keys move it when it is zoomed.`;
}

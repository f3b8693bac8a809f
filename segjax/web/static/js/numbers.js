// Tables of a result: classes, scores, agreement, and time.

import { duration, make, percent, swatch } from "./make.js";

/** All tables of a result of `answer.opened`. */
export function numbers(result) {
  const short = make("div", { class: "tables" });
  if (result.said.some((said) => said.scores)) short.append(scores(result));
  if (result.differences.length) short.append(agreement(result));
  short.append(times(result));
  const long = result.said.map((said) => classes(said, result));
  return make("div", {}, short, make("div", { class: "tables" }, ...long));
}

function scores({ said }) {
  const scored = said.filter((each) => each.scores);
  const rows = scored.map(({ title, scores: s }) =>
    [title, percent(s.miou), percent(s.mean_dice), percent(s.pixel_accuracy)]);
  const words = [...new Set(scored.map((each) => each.scores.convention))].join("; ");
  return section("Scores against the reference mask", `${capital(words)}.`,
    table(["model", "mean IoU", "mean Dice", "pixel accuracy"], rows));
}

function agreement({ differences, said }) {
  const title = (name) => said.find((each) => each.name === name).title;
  const rows = differences.map((d) => [d.models.map(title).join(" and "), percent(d.agreement)]);
  return section("Agreement", "Share of the pixels that both give the same class.",
    table(["models", "agree"], rows));
}

function times({ said, answer }) {
  const rows = said.map(({ title, seconds: s, scaled, network_size: [h, w] }) => [
    title, duration(s.queue), duration(s.network), duration(s.postprocess), duration(s.pictures),
    scaled ? `${w} × ${h}` : "whole",
  ]);
  const words = `${duration(answer.seconds.total)} in all, ${duration(answer.seconds.decode)} of them to open the picture.`;
  return section("Time", words,
    table(["model", "waited", "network", "post-processing", "drawing", "saw"], rows));
}

function classes(said, { width, height }) {
  const byId = new Map((said.scores?.classes ?? []).map((each) => [each.id, each]));
  const there = (k) => said.shares.has(k) || byId.has(k);
  const ids = said.table.names.map((_, k) => k).filter(there);
  ids.sort((a, b) => (said.shares.get(b) ?? 0) - (said.shares.get(a) ?? 0));
  const rows = ids.map((k) => {
    const share = said.shares.get(k) ?? 0;
    const name = make("span", {}, swatch(said.table.colours[k]), said.table.names[k]);
    const row = [name, percent(share), Math.round(share * width * height).toLocaleString("en")];
    const score = byId.get(k);
    return said.scores ? [...row, percent(score?.iou), percent(score?.dice)] : row;
  });
  const head = ["class", "share", "pixels", ...(said.scores ? ["IoU", "Dice"] : [])];
  return section(`Classes, ${said.title}`, "", table(head, rows));
}

function section(title, words, content) {
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, content);
  const folded = matchMedia("(max-width: 520px)").matches ? {} : { open: "" };
  return make("details", folded, make("summary", {}, title), scroll,
    ...(words ? [make("p", { class: "faint" }, words)] : []));
}

function table(head, rows) {
  const cell = (value, i) => (i ? make("td", {}, value) : make("th", { scope: "row" }, value));
  return make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))));
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

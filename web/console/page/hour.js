/** The last hour under each figure as a line, and the share of trucks that were taken. */

import { ops } from "./session.js";
import { byId, clock, duration } from "./words.js";

// The server has a sample for each minute.
const EVERY_MS = 10_000;
const HOUR_MS = 3_600_000;
const SVG = "http://www.w3.org/2000/svg";
// Of the picture, whatever its size on the page is; some room for the line's own width.
const WIDTH = 120;
const HEIGHT = 24;
const ROOM = 2;

export class Hour {
  constructor() {
    this.asked = -EVERY_MS;
  }

  async refresh() {
    if (performance.now() - this.asked < EVERY_MS) return;
    this.asked = performance.now();
    const { trucksAsked, trucksTaken, minutes } = await ops("GET", "/hour");
    byId("fill-rate").textContent = trucksAsked ? percent(trucksTaken / trucksAsked) : "–";
    for (const place of document.querySelectorAll("[data-line]")) draw(place, points(minutes, place.dataset.line));
  }
}

/** @param {any[]} minutes @param {string} name @returns {{at: string, value: number}[]} */
function points(minutes, name) {
  const value = (minute) => (name === "taken" ? minute.trucksTaken / minute.trucksAsked : minute[name]);
  // Without orders there is no share and no first offer.
  return minutes.map((minute) => ({ at: minute.at, value: value(minute) })).filter((point) => Number.isFinite(point.value));
}

/** From nothing to the largest value of the hour; the right end is now. */
function draw(place, found) {
  const most = Math.max(...found.map(({ value }) => value), 0);
  if (found.length < 2) return place.replaceChildren();
  const now = Date.now();
  const line = found.map(({ at, value }) => [
    WIDTH * (1 - (now - Date.parse(at)) / HOUR_MS),
    HEIGHT - ROOM - (HEIGHT - 2 * ROOM) * (most ? value / most : 0),
  ]);
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", said(place.dataset.line, found, most));
  svg.append(made("polyline", { points: line.map((point) => point.map((one) => one.toFixed(1)).join()).join(" ") }));
  place.replaceChildren(svg);
}

function said(name, found, most) {
  const text = { taken: percent, p50Ms: seconds, p99Ms: seconds }[name] ?? String;
  return `Since ${clock(found[0].at)}: ${text(found[0].value)} at first, ${text(most)} at most, ${text(found.at(-1).value)} now`;
}

/** @param {number} share */
function percent(share) {
  // All is said only of all: 99.9 % is not 100 %.
  return `${Math.floor(share * 100)} %`;
}

/** @param {number} ms */
function seconds(ms) {
  return duration(ms / 1000);
}

function made(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

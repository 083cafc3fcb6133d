/** What a person should look at: trips without news, trucks that stand on the road, searches near their end. */

import { open } from "./links.js";
import { ops } from "./session.js";
import { byId, element, several, short } from "./words.js";

const EVERY_MS = 5000;
// Of minutes, and it costs more.
const STANDING_EVERY_MS = 30_000;
// A driver speaks every few seconds; a trip may stand for a while.
const SILENT_MINUTES = 2;
const STUCK_MINUTES = 15;
const STANDING_MINUTES = 15;
const ENDING_MS = 15_000;
const MOST = 5;

export class Attention {
  constructor() {
    this.silent = [];
    this.standing = [];
    this.asked = -EVERY_MS;
    this.askedStanding = -STANDING_EVERY_MS;
  }

  /** @param {any[]} searches the orders of an overview's map */
  async refresh(searches) {
    if (performance.now() - this.asked >= EVERY_MS) {
      this.asked = performance.now();
      this.silent = (await ops("GET", `/trips?stuckMinutes=${SILENT_MINUTES}&limit=100`)).trips;
    }
    if (performance.now() - this.askedStanding >= STANDING_EVERY_MS) {
      this.askedStanding = performance.now();
      this.standing = (await ops("GET", `/trips/standing?minutes=${STANDING_MINUTES}&limit=100`)).trips;
    }
    this.show([
      this.silent.map(quiet).filter(Boolean),
      this.standing.map(stands),
      searches.filter(ends).map(search),
    ]);
  }

  show(groups) {
    const shown = groups.flatMap((rows) => rows.slice(0, MOST));
    const left = groups.flat().length - shown.length;
    byId("attention").hidden = shown.length === 0;
    const list = byId("attention-list");
    const before = new Map([...list.children].map((item) => [item.dataset.key, item]));
    const rows = shown.map(({ key, id, text }) => row(before.get(key) ?? item(key, id), text));
    // Rows that stay keep the keyboard's focus.
    if (rows.some((one, number) => list.children[number] !== one) || rows.length !== list.children.length) {
      const focused = document.activeElement;
      list.replaceChildren(...rows);
      if (list.contains(focused)) focused.focus();
    }
    byId("attention-left").textContent = left ? `and ${left} more` : "";
  }
}

function item(key, id) {
  const button = element("button", { type: "button", class: "text-link" });
  button.addEventListener("click", () => open("order", id));
  return element("li", { "data-key": key }, button);
}

function row(shown, text) {
  if (shown.firstChild.textContent !== text) shown.firstChild.textContent = text;
  return shown;
}

/** A trip that is loaded, or without news for long. */
function quiet({ truckRequestId, orderId, loaded, progressedAt, driver }) {
  const heard = Math.max(Date.parse(progressedAt), Date.parse(driver.lastHeardAt ?? progressedAt));
  const minutes = Math.floor((Date.now() - heard) / 60_000);
  if (!loaded && minutes < STUCK_MINUTES) return undefined;
  const text = `${driver.name}, ${driver.plate}: silent for ${several(minutes, "minute")} ${where(loaded)}`;
  return { key: truckRequestId, id: orderId, text };
}

/** A truck whose phone reports and that does not move, away from the places of its order. */
function stands({ truckRequestId, orderId, loaded, driver }) {
  const text = `${driver.name}, ${driver.plate}: has not moved for ${STANDING_MINUTES} minutes ${where(loaded)}`;
  return { key: `standing-${truckRequestId}`, id: orderId, text };
}

function where(loaded) {
  return loaded ? "with a load" : "on the way to a pickup";
}

function ends({ expiresAt }) {
  return Date.parse(expiresAt) - Date.now() < ENDING_MS;
}

function search({ id, trucksFilled, totalTrucks, expiresAt }) {
  const seconds = Math.max(0, Math.round((Date.parse(expiresAt) - Date.now()) / 1000));
  return { key: id, id, text: `Order ${short(id)}: the search ends in ${seconds} s with ${trucksFilled} of ${totalTrucks}` };
}

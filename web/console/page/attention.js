/** What a person should look at: trips without news, silent drivers with a load, searches near their end. */

import { open } from "./links.js";
import { ops } from "./session.js";
import { byId, element, several, short } from "./words.js";

const EVERY_MS = 5000;
// A driver speaks every few seconds; a trip may stand for a while.
const SILENT_MINUTES = 2;
const STUCK_MINUTES = 15;
const ENDING_MS = 15_000;
const MOST = 5;

export class Attention {
  constructor() {
    this.trips = [];
    this.asked = -EVERY_MS;
  }

  /** @param {any[]} searches the orders of an overview's map */
  async refresh(searches) {
    if (performance.now() - this.asked >= EVERY_MS) {
      this.asked = performance.now();
      this.trips = (await ops("GET", `/trips?stuckMinutes=${SILENT_MINUTES}&limit=100`)).trips;
    }
    this.show(this.trips.map(quiet).filter(Boolean), searches.filter(ends).map(search));
  }

  show(trips, searches) {
    const shown = [...trips.slice(0, MOST), ...searches.slice(0, MOST)];
    const left = trips.length + searches.length - shown.length;
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
  const text = `${driver.name}, ${driver.plate}: silent for ${several(minutes, "minute")} ${loaded ? "with a load" : "on the way to a pickup"}`;
  return { key: truckRequestId, id: orderId, text };
}

function ends({ expiresAt }) {
  return Date.parse(expiresAt) - Date.now() < ENDING_MS;
}

function search({ id, trucksFilled, totalTrucks, expiresAt }) {
  const seconds = Math.max(0, Math.round((Date.parse(expiresAt) - Date.now()) / 1000));
  return { key: id, id, text: `Order ${short(id)}: the search ends in ${seconds} s with ${trucksFilled} of ${totalTrucks}` };
}

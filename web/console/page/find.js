/** Finding: the search field, the drivers that it finds, and the keys `/`, `j` and `k`. */

import { open } from "./links.js";
import { ops } from "./session.js";
import { byId, driverState, element } from "./words.js";

const MOST_DRIVERS = 8;

export class Find {
  /** @param {import("./orders.js").Orders} orders */
  constructor(orders) {
    this.orders = orders;
    byId("find").addEventListener("submit", (event) => {
      event.preventDefault();
      this.look();
    });
    // The cross of a search field empties it and says so with this event alone.
    byId("search").addEventListener("search", () => byId("search").value || this.look());
    byId("clear").addEventListener("click", () => {
      byId("find").reset();
      this.look();
    });
    byId("csv").addEventListener("click", () => orders.saveCsv());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  async look() {
    this.orders.turn([""]);
    const text = byId("search").value.trim();
    this.text = text;
    byId("found-drivers").hidden = true;
    if (!text) return;
    const query = new URLSearchParams({ q: text, limit: String(MOST_DRIVERS) });
    const { drivers } = await ops("GET", `/drivers?${query}`).catch(() => ({ drivers: [] }));
    if (text !== this.text) return;
    byId("found-drivers-list").replaceChildren(...drivers.map(driver));
    byId("found-drivers").hidden = drivers.length === 0;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const typing = target instanceof Element && target.closest("input, select, textarea");
    if (typing || ctrlKey || metaKey || altKey || document.querySelector("dialog:modal") || byId("watch").hidden) return;
    if (key === "/") {
      event.preventDefault();
      byId("search").focus();
    }
    if (key === "j" || key === "k") this.orders.step(key === "j" ? 1 : -1);
  }
}

function driver({ driverId, name, plate, state }) {
  const button = element("button", { type: "button", class: "text-link" }, `${name}, ${plate}, ${driverState(state)}`);
  button.addEventListener("click", () => open("driver", driverId));
  return element("li", {}, button);
}

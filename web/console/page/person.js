/** One driver in a dialogue: who and where they are, their trip, and the offers of the last 24 hours. */

import { copied } from "./copying.js";
import { forget, open } from "./links.js";
import { ops } from "./session.js";
import { byId, driverState, element, moment, short, when, words } from "./words.js";

export class DriverDialogue {
  constructor() {
    this.dialogue = byId("person");
    this.id = "";
    byId("person-close").addEventListener("click", () => this.dialogue.close());
    this.dialogue.addEventListener("close", () => forget("driver"));
  }

  get open() {
    return this.dialogue.open;
  }

  close() {
    this.dialogue.close();
  }

  /** @param {string} id */
  async choose(id) {
    this.id = id;
    byId("person-title").textContent = `Driver ${id}`;
    byId("person-facts").replaceChildren();
    byId("person-offers").replaceChildren();
    byId("person-acts").replaceChildren();
    this.drawn = "";
    byId("person-result").textContent = "";
    if (!this.open) this.dialogue.showModal();
    await this.refresh().catch((error) => (byId("person-result").textContent = error.message));
  }

  async refresh() {
    const found = await ops("GET", `/drivers/${encodeURIComponent(this.id)}`);
    if (found.driverId !== this.id || JSON.stringify(found) === this.drawn) return;
    this.drawn = JSON.stringify(found);
    byId("person-title").textContent = found.name;
    byId("person-facts").replaceChildren(...facts(found).flatMap(([name, ...value]) => [
      element("dt", {}, name), element("dd", {}, ...value),
    ]));
    this.dialogue.dispatchEvent(new CustomEvent("drawn", { detail: found }));
    const offers = found.offersToday.map(offer);
    byId("person-offers").replaceChildren(...(offers.length ? offers : [element("li", { class: "quiet" }, "none")]));
  }
}

function facts({ driverId, phone, plate, vehicle, state, lastHeardAt, position, trip }) {
  return [
    ["Id", ...copied(driverId)],
    ["Phone", element("a", { href: `tel:${phone}` }, phone)],
    ["Vehicle", `${vehicle}, ${plate}`],
    ["State", driverState(state)],
    ["Last heard", lastHeardAt ? moment(lastHeardAt) : "never"],
    ["Position", position ? `${position.latitude.toFixed(5)}, ${position.longitude.toFixed(5)}` : "unknown"],
    ["Trip", ...(trip ? [`${words(trip.status)}, order `, orderLink(trip.orderId)] : ["none"])],
  ];
}

function offer({ orderId, at, outcome }) {
  return element("li", {}, element("time", { datetime: at, title: moment(at) }, when(at)), " ", orderLink(orderId), ` ${words(outcome)}`);
}

function orderLink(id) {
  const link = element("button", { type: "button", class: "link", "aria-label": `Order ${short(id)}` }, short(id));
  link.addEventListener("click", () => open("order", id));
  return link;
}

/** One order beside the map: its facts, its story, and what an operator may do to its search. */

import { Refused } from "./api.js";
import { chosenOf } from "./chosen.js";
import { ops } from "./session.js";
import { steps } from "./timeline.js";
import { Tracks } from "./tracks.js";
import { byId, distance, element, moment, rupees, short, when, words, zone } from "./words.js";

const DEEDS = {
  expire: {
    title: "End the search?",
    text: "Nobody else can take this order. Trucks that were found stay with it.",
    yes: "End search",
    done: "The search is over.",
    nothing: "The search was over already.",
  },
  rebroadcast: {
    title: "Ask the next drivers now?",
    text: "Drivers further away hear of this order at once.",
    yes: "Ask again",
    done: "The next drivers were asked.",
    nothing: "Drivers were asked a moment ago; nobody else was asked.",
  },
};

const STOPS = { PICKUP: "From", STOP: "Stop", DROP: "To" };

// The dialogue is drawn anew while the search goes on, so a long story is cut at 1,000 rows.
const MOST_PAGES = 10;

export class OrderDialogue {
  /** @param {(chosen: import("./chosen.js").Chosen|undefined) => void} mapped draws the order, or none */
  constructor(mapped) {
    this.dialogue = byId("order");
    this.id = "";
    this.mapped = mapped;
    byId("order-zone").textContent = zone;
    byId("order-close").addEventListener("click", () => this.dialogue.close());
    this.dialogue.addEventListener("close", () => {
      mapped(undefined);
      this.before?.focus();
    });
    // A dialogue beside the map is not modal, so the browser does not close it with Escape.
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !document.querySelector("dialog:modal")) this.dialogue.close();
    });
    for (const deed of Object.keys(DEEDS)) byId(deed).addEventListener("click", () => this.act(deed));
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
    this.drawn = "";
    this.tracks = new Tracks();
    byId("order-title").textContent = `Order ${short(id)}`;
    byId("order-facts").replaceChildren();
    byId("timeline").replaceChildren();
    byId("order-result").textContent = "";
    byId("order-acts").replaceChildren();
    byId("order-acts").dataset.shown = "";
    byId("order-trips").replaceChildren();
    this.allow(false);
    if (!this.open) {
      // The browser brings the focus back to what is visible when the dialogue closes; the list is so a moment later.
      this.before = document.activeElement;
      this.dialogue.show();
    }
    await this.refresh().catch((error) => this.say(error.message));
  }

  /** Fetches the order anew and shows what has changed. */
  async refresh() {
    const id = this.id;
    const found = await whole(id);
    const tracks = await this.tracks.of(found.truckRequests);
    if (id !== this.id || !this.open) return;
    this.mapped(chosenOf(found, tracks));
    if (JSON.stringify(found) === this.drawn) return;
    this.drawn = JSON.stringify(found);
    byId("order-facts").replaceChildren(...facts(found).flatMap(([name, value]) => [
      element("dt", {}, name), element("dd", {}, value),
    ]));
    byId("timeline").replaceChildren(...steps(found).map(step));
    this.allow(found.search.searching);
    this.dialogue.dispatchEvent(new CustomEvent("drawn", { detail: found }));
  }

  /** Whether there is a search to end or to widen. @param {boolean} searching */
  allow(searching) {
    for (const deed of Object.keys(DEEDS)) byId(deed).disabled = !searching;
    if (!searching && document.activeElement === document.body) byId("order-close").focus();
  }

  /** Asks whether it is meant, does it, and says what came of it. @param {"expire"|"rebroadcast"} deed */
  async act(deed) {
    const { title, text, yes, done, nothing } = DEEDS[deed];
    if (!(await confirmed(title, text, yes))) return;
    try {
      const answer = await ops("POST", `/orders/${this.id}/${deed}`, {});
      this.say(answer.done ? done : nothing);
      await this.refresh();
    } catch (error) {
      this.say(error instanceof Refused ? `Refused: ${error.message}` : `${error.message} Try again.`);
    }
  }

  /** @param {string} text */
  say(text) {
    byId("order-result").textContent = text;
  }
}

/** An order with its story, page after page, up to MOST_PAGES of it. @param {string} id */
async function whole(id) {
  const found = await ops("GET", `/orders/${id}?limit=100`);
  for (let pages = 1; found.nextCursor && pages < MOST_PAGES; pages += 1) {
    const next = await ops("GET", `/orders/${id}?limit=100&cursor=${found.nextCursor}`);
    found.events.push(...next.events);
    found.offers.push(...next.offers);
    found.nextCursor = next.nextCursor;
  }
  return found;
}

function facts({ order, search, truckRequests }) {
  const rows = [["Status", words(order.status)], ["Customer", order.customerId]];
  if (order.pickup) {
    rows.push(...order.routePoints.map(({ type, address }) => [STOPS[type], address]));
    rows.push(["Trucks", `${order.trucksFilled} of ${order.totalTrucks}`], ...vehicles(truckRequests));
    rows.push(["Price", `${rupees(order.totalAmount)} for ${distance(order.distanceKm)}`], ...load(order));
    rows.push(["Ordered", moment(order.createdAt)], ...truckRequests.filter(({ driver }) => driver).map(driven));
  }
  if (search.searching) rows.push(["Search", `wave ${search.wave}, ${search.radiusKm} km, until ${moment(order.expiresAt)}`]);
  return rows;
}

/** A row for each kind of vehicle: how many, and what one is paid. */
function vehicles(truckRequests) {
  const kinds = new Map();
  for (const { vehicleType, vehicleSubtype, pricePerTruck } of truckRequests) {
    const kind = `${vehicleType} ${vehicleSubtype}, ${rupees(pricePerTruck)} each`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, count]) => ["Vehicle", `${count} × ${kind}`]);
}

function load({ goodsType, cargoWeightKg }) {
  const rows = [];
  if (goodsType) rows.push(["Goods", goodsType]);
  if (cargoWeightKg) rows.push(["Weight", `${cargoWeightKg} kg`]);
  return rows;
}

function driven({ driver, status }) {
  return ["Driver", `${driver.name}, ${driver.vehicleNumber}, ${driver.phone}: ${words(status)}`];
}

function step({ at, text, asked }) {
  const shown = element("li", {}, element("time", { datetime: at, title: moment(at) }, when(at)), element("span", {}, text));
  if (asked.length) shown.append(element("ul", {}, ...asked.map(answer)));
  return shown;
}

function answer({ text, at, state }) {
  return element("li", { class: `answer ${state}` }, at ? `${text} (${when(at)})` : text);
}

/** Whether somebody said yes. @returns {Promise<boolean>} */
function confirmed(title, text, yes) {
  const dialogue = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialogue.returnValue = "";
  byId("confirm-yes").onclick = () => dialogue.close("yes");
  byId("confirm-no").onclick = () => dialogue.close("");
  dialogue.showModal();
  return new Promise((resolve) => {
    dialogue.addEventListener("close", () => resolve(dialogue.returnValue === "yes"), { once: true });
  });
}

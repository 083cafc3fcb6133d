/** The list of orders: a filter, pages, and rows that keep the keyboard's focus while they change. */

import { Refused } from "./api.js";
import { save } from "./csv.js";
import { ops } from "./session.js";
import { byId, element, moment, short, when, words, zone } from "./words.js";

const ROWS = 15;
// What is searched for by address is looked up in many orders.
const SEARCHED_EVERY_MS = 5000;
const CSV_ROWS = 100;
const CSV_PAGES = 10;
const COLUMNS = [
  "id", "status", "customer", "ordered at", "trucks filled", "trucks", "from", "to", "km", "goods", "amount INR",
];
const STATUSES = [
  "queued", "active", "partially_filled", "fully_filled", "in_progress", "completed", "rejected", "cancelled", "expired",
];

export class Orders {
  /** @param {(orderId: string) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    /** The cursors of this page and of those before it. @type {string[]} */
    this.cursors = [""];
    this.next = null;
    this.focused = null;
    this.rows = new Map();
    this.looked = 0;
    byId("zone").textContent = zone;
    byId("status").append(...STATUSES.map((status) => new Option(words(status), status)));
    byId("status").addEventListener("change", () => this.turn([""]));
    byId("older").addEventListener("click", () => this.turn([...this.cursors, this.next]));
    byId("newer").addEventListener("click", () => this.turn(this.cursors.slice(0, -1)));
  }

  /** Goes to another page. @param {string[]} cursors */
  turn(cursors) {
    this.cursors = cursors;
    this.next = null;
    this.looked = 0;
    // Where the next page begins is known when this one is there.
    this.focused = document.activeElement;
    byId("older").disabled = byId("newer").disabled = true;
    this.refresh().catch(() => {
      // The next look of the page says that it is not connected, and brings the rows when it is.
    });
  }

  /** Fetches this page and shows it, unless somebody has turned it meanwhile. */
  async refresh() {
    const cursors = this.cursors;
    const filter = wanted();
    const searched = [...filter.keys()].some((name) => name !== "status");
    if (searched && this.looked && performance.now() - this.looked < SEARCHED_EVERY_MS) return;
    this.looked = performance.now();
    try {
      const { orders, nextCursor } = await page(filter, ROWS, cursors.at(-1));
      if (cursors === this.cursors) this.show(orders, nextCursor);
    } catch (error) {
      // A filter that cannot be is the operator's to change, and no trouble of the page.
      if (!(error instanceof Refused) || error.status !== 400) throw error;
      if (cursors === this.cursors) this.show([], null);
      byId("orders-empty").textContent = error.message;
    }
  }

  /** Saves what the filter lets through, the newest 1,000 of it. */
  async saveCsv() {
    const rows = [];
    byId("csv").disabled = true;
    try {
      let cursor = "";
      for (let pages = 0; cursor !== null && pages < CSV_PAGES; pages += 1) {
        const { orders, nextCursor } = await page(wanted(), CSV_ROWS, cursor);
        rows.push(...orders.map(cells));
        cursor = nextCursor;
      }
      save(`orders-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.csv`, [COLUMNS, ...rows]);
      byId("find-news").textContent = `${rows.length} orders saved${cursor ? ", the newest" : ""}.`;
    } catch (error) {
      byId("find-news").textContent = error.message;
    } finally {
      byId("csv").disabled = false;
    }
  }

  /** Moves the focus along the list. @param {1|-1} by */
  step(by) {
    const rows = [...byId("order-rows").children];
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[now < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, now + by))];
    next?.querySelector("button").focus();
  }

  show(orders, nextCursor) {
    this.next = nextCursor;
    this.rows = new Map(orders.map((order) => [order.id, this.row(order)]));
    const rows = [...this.rows.values()];
    const body = byId("order-rows");
    if (rows.some((row, number) => body.children[number] !== row)) this.replace(body, rows);
    while (body.children.length > rows.length) body.lastElementChild.remove();
    byId("orders-empty").textContent = nextCursor ? "None among those looked through; Older looks on." : "No order of this kind yet.";
    byId("orders-empty").hidden = rows.length > 0;
    byId("older").disabled = !nextCursor;
    byId("newer").disabled = this.cursors.length === 1;
    // A button that was disabled has lost the keyboard's focus.
    if (document.activeElement === document.body) this.focused?.focus();
    this.focused = null;
    byId("page-number").textContent = `Page ${this.cursors.length}`;
  }

  /** Puts other rows in; a focus inside stays where it was. */
  replace(body, rows) {
    const focused = document.activeElement;
    body.replaceChildren(...rows);
    if (body.contains(focused)) focused.focus();
  }

  /** The row of an order: the one that is there, brought up to date, or a new one. */
  row(order) {
    const row = this.rows.get(order.id) ?? this.newRow(order);
    const [, status, trucks, places] = row.cells;
    status.firstChild.textContent = words(order.status);
    status.firstChild.className = `state ${order.status}`;
    trucks.textContent = order.totalTrucks ? `${order.trucksFilled} of ${order.totalTrucks}` : "–";
    // One that waits for placing has no places yet.
    places.textContent = way(order);
    return row;
  }

  newRow(order) {
    const open = element("button", { type: "button", class: "link", "aria-haspopup": "dialog" }, short(order.id));
    open.setAttribute("aria-label", `Order ${short(order.id)}, show what happened`);
    open.addEventListener("click", () => this.chosen(order.id));
    const row = element(
      "tr", { "data-order": order.id },
      element("td", {}, open),
      element("td", {}, element("span")),
      element("td"),
      element("td", { class: "wide" }),
      element("td", {}, order.createdAt ? element("time", { datetime: order.createdAt, title: moment(order.createdAt) }, when(order.createdAt)) : "–"),
    );
    row.addEventListener("click", ({ target }) => target !== open && this.chosen(order.id));
    return row;
  }
}

/** What the form asks for. */
function wanted() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId("find"))) {
    const text = String(value).trim();
    // A field of date and time is in the zone of whoever looks.
    if (text) query.set(name, name === "from" || name === "to" ? new Date(text).toISOString() : text);
  }
  return query;
}

/** @param {URLSearchParams} filter @param {number} limit @param {string} [cursor] */
function page(filter, limit, cursor) {
  const query = new URLSearchParams(filter);
  query.set("limit", String(limit));
  if (cursor) query.set("cursor", cursor);
  return ops("GET", `/orders?${query}`);
}

function cells(order) {
  const { id, status, customerId, createdAt, trucksFilled, totalTrucks, pickup, drop, distanceKm, goodsType, totalAmount } = order;
  return [
    id, status, customerId, createdAt, trucksFilled, totalTrucks, pickup?.address, drop?.address, distanceKm, goodsType, totalAmount,
  ];
}

function way(order) {
  return order.pickup ? `${order.pickup.address} → ${order.drop.address}` : "not placed yet";
}

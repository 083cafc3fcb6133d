/** The list of orders: a filter, pages, and rows that keep the keyboard's focus while they change. */

import { ops } from "./session.js";
import { byId, clock, element, short, words } from "./words.js";

const ROWS = 15;
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
    this.rows = new Map();
    byId("status").append(...STATUSES.map((status) => new Option(words(status), status)));
    byId("status").addEventListener("change", () => this.turn([""]));
    byId("older").addEventListener("click", () => this.turn([...this.cursors, this.next]));
    byId("newer").addEventListener("click", () => this.turn(this.cursors.slice(0, -1)));
  }

  /** Goes to another page. @param {string[]} cursors */
  turn(cursors) {
    this.cursors = cursors;
    this.next = null;
    this.refresh().catch(() => {
      // The next look of the page says that it is not connected, and brings the rows when it is.
    });
  }

  /** Fetches this page and shows it, unless somebody has turned it meanwhile. */
  async refresh() {
    const cursors = this.cursors;
    const query = new URLSearchParams({ limit: String(ROWS) });
    if (byId("status").value) query.set("status", byId("status").value);
    if (cursors.at(-1)) query.set("cursor", cursors.at(-1));
    const { orders, nextCursor } = await ops("GET", `/orders?${query}`);
    if (cursors === this.cursors) this.show(orders, nextCursor);
  }

  show(orders, nextCursor) {
    this.next = nextCursor;
    this.rows = new Map(orders.map((order) => [order.id, this.row(order)]));
    const rows = [...this.rows.values()];
    const body = byId("order-rows");
    if (rows.some((row, number) => body.children[number] !== row)) this.replace(body, rows);
    while (body.children.length > rows.length) body.lastElementChild.remove();
    byId("orders-empty").hidden = rows.length > 0;
    byId("older").disabled = !nextCursor;
    byId("newer").disabled = this.cursors.length === 1;
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
      element("td", {}, order.createdAt ? clock(order.createdAt) : "–"),
    );
    row.addEventListener("click", ({ target }) => target !== open && this.chosen(order.id));
    return row;
  }
}

function way(order) {
  return order.pickup ? `${order.pickup.address} → ${order.drop.address}` : "not placed yet";
}

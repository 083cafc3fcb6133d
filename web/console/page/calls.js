/** The calls and frames of one person as they happen. In development only. */

import { call } from "./api.js";
import { forget, open } from "./links.js";
import { Polling } from "./polling.js";
import { tokens } from "./session.js";
import { byId, clock, element, moment } from "./words.js";

// As many as the server keeps.
const MOST_ROWS = 300;
const KINDS = { call: "", received: "from the app: ", sent: "to the app: ", closed: "socket closed: " };

export class Calls {
  /** @param {() => void} shown brings this tab to the front */
  constructor(shown) {
    this.shown = shown;
    this.person = this.after = "";
    /** What is not shown yet, since the list is paused. @type {any[]} */
    this.held = [];
    this.polling = new Polling(() => this.ask(), (entries) => this.take(entries), (error) => this.say(error.message));
    byId("calls-form").addEventListener("submit", (event) => {
      event.preventDefault();
      open("calls", `${byId("calls-role").value}:${byId("calls-id").value}`);
    });
    byId("calls-pause").addEventListener("click", () => this.pause(!this.paused));
    byId("calls-clear").addEventListener("click", () => byId("calls-rows").replaceChildren());
    byId("calls-filter").addEventListener("input", () => [...byId("calls-rows").children].forEach(filter));
    byId("person").addEventListener("drawn", ({ detail }) => link("person-calls", [["driver", detail.driverId]]));
    byId("order").addEventListener("drawn", ({ detail }) => {
      const drivers = new Set(detail.truckRequests.flatMap(({ driver }) => driver?.id ?? []));
      link("order-calls", [["customer", detail.order.customerId], ...[...drivers].map((id) => ["driver", id])]);
    });
  }

  /** Follows a person from now on. @param {string} person as `driver:ravi` */
  choose(person) {
    this.shown();
    const [role, id = ""] = person.split(":");
    byId("calls-role").value = role;
    byId("calls-id").value = id;
    if (person !== this.person) {
      this.person = person;
      this.after = "";
      this.held = [];
      byId("calls-rows").replaceChildren();
    }
    this.pause(false);
    this.begin();
    byId("calls-title").focus();
  }

  /** Another address closes dialogues; this tab stays until another one is chosen. */
  close() {}

  begin() {
    if (this.person) this.polling.start();
  }

  end() {
    this.polling.stop();
    forget("calls");
  }

  async ask() {
    const path = this.person.split(":").map(encodeURIComponent).join("/");
    const after = this.after && `?after=${this.after}`;
    return (await call("GET", `/console/watched/${path}${after}`, tokens().ops)).entries;
  }

  take(entries) {
    this.after = entries.at(-1)?.id ?? this.after;
    this.held = [...this.held, ...entries].slice(-MOST_ROWS);
    if (!this.paused) this.show();
    this.say(this.paused ? `Paused; ${this.held.length} more since.` : `Following ${this.person.replace(":", " ")}.`);
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    byId("calls-pause").ariaPressed = String(paused);
    if (!paused) this.show();
  }

  /** Each at its place by time: web processes write one after the other. */
  show() {
    const list = byId("calls-rows");
    for (const entry of this.held.splice(0)) {
      const made = row(entry);
      filter(made);
      list.insertBefore(made, [...list.children].find((other) => other.dataset.at <= entry.at) ?? null);
    }
    while (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  }

  /** @param {string} text */
  say(text) {
    if (byId("calls-news").textContent !== text) byId("calls-news").textContent = text;
  }
}

function row({ kind, at, title, status, ms, error, requestId, text }) {
  const refused = kind === "call" && Number(status) >= 400;
  const head = [
    element("time", { datetime: at, title: moment(at) }, `${clock(at)}${at.slice(19, 23)}`),
    ` ${KINDS[kind]}${title}`,
    element("strong", refused ? { class: "refused" } : {}, status ? ` ${status}` : ""),
    ms ? ` ${ms} ms` : "",
  ];
  const more = [error, text && pretty(text), requestId && `X-Request-ID: ${requestId}`].filter(Boolean);
  const made = element("li", { "data-at": at });
  if (more.length) made.append(element("details", {}, element("summary", {}, ...head), element("pre", {}, more.join("\n"))));
  else made.append(...head);
  return made;
}

/** @param {string} text JSON, unless it was cut */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Hides a row without one of the filter's words, or with one that has a minus. @param {HTMLElement} made */
function filter(made) {
  const wanted = byId("calls-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = made.textContent.toLowerCase();
  made.hidden = !wanted.every((word) => (word.length > 1 && word[0] === "-" ? !text.includes(word.slice(1)) : text.includes(word)));
}

/** Buttons that lead from a panel to this tab. @param {string} place @param {[string, string][]} people */
function link(place, people) {
  const shown = JSON.stringify(people);
  if (byId(place).dataset.shown === shown) return;
  byId(place).dataset.shown = shown;
  byId(place).replaceChildren(...people.map(([role, id]) => {
    const made = element("button", { type: "button" }, `Calls and frames of ${role} ${id}`);
    made.addEventListener("click", () => open("calls", `${role}:${id}`));
    return made;
  }));
}

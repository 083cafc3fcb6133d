/** A banner of the parts that are not well, and how old everything on the page is. */

import { byId, clock, element, moment } from "./words.js";

// Looks come every second, so older than this has missed several.
const OLD_MS = 5000;
const RUNBOOK = "/runbook";

export class Health {
  constructor() {
    this.title = document.title;
    /** When the page was last brought up to date. @type {number|undefined} */
    this.at = undefined;
    this.named = "";
    setInterval(() => this.age(), 1000);
  }

  /** The lines of an overview. @param {{part: string, ok: boolean, detail: string, runbook: string}[]} lines */
  show(lines) {
    const wrong = lines.filter(({ ok }) => !ok);
    byId("health").hidden = wrong.length === 0;
    byId("health-lines").replaceChildren(...wrong.map(line));
    document.title = wrong.length ? `(${wrong.length}) ${this.title}` : this.title;
    // Read aloud when other parts are concerned, not each second.
    const named = wrong.map(({ part }) => part).join(", ");
    if (named === this.named) return;
    this.named = named;
    byId("health-news").textContent = named ? `Not well: ${named}` : "Everything is well again";
  }

  /** Nothing was answered, or something without lines. @param {string} detail */
  unreachable(detail) {
    this.show([{ part: "web", ok: false, detail, runbook: `${RUNBOOK}#web` }]);
  }

  /** Everything on the page is of this moment. */
  fresh() {
    this.at = Date.now();
    const iso = new Date(this.at).toISOString();
    byId("as-of").replaceChildren("as of ", element("time", { datetime: iso, title: moment(iso) }, clock(iso)));
    this.age();
  }

  age() {
    document.body.classList.toggle("old", this.at !== undefined && Date.now() - this.at > OLD_MS);
  }
}

function line({ part, detail, runbook }) {
  const link = element("a", { href: runbook, target: "_blank" }, "What to do");
  link.setAttribute("aria-label", `What to do about ${part}`);
  return element("li", {}, element("strong", {}, `${part}:`), ` ${detail}. `, link);
}

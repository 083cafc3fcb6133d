/** Puts the page together: signs in, looks every second, shows what it sees. */

import { Refused } from "./api.js";
import { offerForDrivers, offerForOrders } from "./acts.js";
import { Attention } from "./attention.js";
import { Calls } from "./calls.js";
import { City } from "./city.js";
import { copied } from "./copying.js";
import { Find } from "./find.js";
import { showFigures } from "./figures.js";
import { Health } from "./health.js";
import { Hour } from "./hour.js";
import { follow, forget as forgetLink, open } from "./links.js";
import { OrderDialogue } from "./order.js";
import { Orders } from "./orders.js";
import { DriverDialogue } from "./person.js";
import { Play } from "./play.js";
import { Polling } from "./polling.js";
import { development, forget, keep, obtain, ops, tokens } from "./session.js";
import { Why } from "./why.js";
import { byId } from "./words.js";

const health = new Health();
const dialogue = new OrderDialogue((chosen) => city?.choose(chosen));
const person = new DriverDialogue();
const attention = new Attention();
const hour = new Hour();
const orders = new Orders((id) => open("order", id));
const polling = new Polling(look, show, trouble);
/** @type {City|undefined} */
let city;

/** Everything that is on the page. What the overview says of the parts counts even if the rest fails. */
async function look() {
  if (development && !tokens().ops) await obtain();
  const overview = await ops("GET", "/overview");
  health.show(overview.health);
  // Not after the lists: a position is to be on the map soon.
  city?.show(overview.map);
  await Promise.all([
    orders.refresh(),
    attention.refresh(overview.map.orders),
    hour.refresh(),
    ...[dialogue, person].filter((one) => one.open).map((one) => one.refresh().catch(unknown)),
  ]);
  return overview;
}

/** An address may name what there is not; its dialogue says so, and the page is well. @param {Error} error */
function unknown(error) {
  if (!(error instanceof Refused) || error.status !== 404) throw error;
}

function show(overview) {
  reveal("live");
  // Leaflet measures its place, so that has to be there.
  if (!city) {
    city = arrange();
    city.show(overview.map);
  }
  showFigures(overview);
  health.fresh();
  connection("live", "Connected");
}

/** The map, what the address names, and in development the tabs to play on it and to watch somebody. */
function arrange() {
  const made = new City((id) => open("order", id));
  const shown = { order: dialogue, driver: person };
  byId("tabs").hidden = !development;
  if (development) {
    shown.calls = new Calls(() => choose("calls"));
    const choose = tabs({ watch: undefined, play: new Play(made), calls: shown.calls });
  }
  follow(shown);
  return made;
}

/** @param {Record<string, {begin: () => void, end: () => void}|undefined>} panes @returns {(name: string) => void} */
function tabs(panes) {
  const names = Object.keys(panes);
  let chosen = "watch";
  const choose = (name) => {
    if (chosen === name) return;
    panes[chosen]?.end();
    chosen = name;
    for (const tab of names) {
      byId(`tab-${tab}`).ariaSelected = String(tab === name);
      byId(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
      byId(tab).hidden = tab !== name;
    }
    panes[name]?.begin();
  };
  for (const name of names) {
    byId(`tab-${name}`).tabIndex = name === chosen ? 0 : -1;
    byId(`tab-${name}`).addEventListener("click", () => choose(name));
  }
  byId("tabs").addEventListener("keydown", ({ key }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step) return;
    const next = names[(names.indexOf(chosen) + step + names.length) % names.length];
    byId(`tab-${next}`).focus();
    choose(next);
  });
  return choose;
}

/** @param {Error} error */
function trouble(error) {
  if (!(error instanceof Refused)) {
    if (error.health) health.show(error.health);
    else health.unreachable(error.message);
    return connection("lost", "Not connected, trying again");
  }
  if (error.status !== 401 && error.status !== 403) return connection("lost", `${error.message} Trying again`);
  const refused = tokens().ops !== undefined;
  forget();
  if (!development) askForToken(refused ? error.message : "");
}

/** @param {"live"|"lost"|"waiting"} state @param {string} text */
function connection(state, text) {
  const place = byId("connection");
  if (place.textContent === text) return;
  place.dataset.state = state;
  place.textContent = text;
}

/** Shows one part of the page and hides the others. @param {"live"|"login"} part */
function reveal(part) {
  for (const name of ["live", "login"]) byId(name).hidden = name !== part;
  byId("sign-out").hidden = development || part === "login";
}

/** @param {string} reason */
function askForToken(reason) {
  polling.stop();
  dialogue.close();
  person.close();
  reveal("login");
  connection("waiting", "Not signed in");
  byId("login-error").textContent = reason;
  byId("token").focus();
}

function signIn(event) {
  event.preventDefault();
  keep({ ops: byId("token").value.trim() });
  byId("token").value = "";
  polling.start();
}

byId("order").addEventListener("close", () => forgetLink("order"));
byId("order").addEventListener("drawn", ({ detail }) => {
  const place = byId("order-id");
  if (place.dataset.id !== detail.order.id) place.replaceChildren(...copied(detail.order.id));
  place.dataset.id = detail.order.id;
});
new Find(orders);
new Why();
offerForOrders(dialogue);
offerForDrivers(person);
byId("login-form").addEventListener("submit", signIn);
byId("sign-out").addEventListener("click", () => {
  forget();
  askForToken("");
});
if (development || tokens().ops) polling.start();
else askForToken("");

/** A whole id with a button that copies it. */

import { element } from "./words.js";

/** @param {string} id @returns {Node[]} */
export function copied(id) {
  const shown = element("code", { class: "whole-id" }, id);
  const button = element("button", { type: "button", class: "small", "aria-label": `Copy ${id}` }, "Copy");
  button.addEventListener("click", async () => {
    // Without the right to write there, the id is at least marked for the keyboard's copy.
    const done = await navigator.clipboard?.writeText(id).then(() => true, () => false);
    if (!done) getSelection().selectAllChildren(shown);
    button.textContent = done ? "Copied" : "Press Ctrl+C";
  });
  return [shown, " ", button];
}

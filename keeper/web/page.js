"use strict";
// Replaces the page's content with a fresh one. What is unfolded, focused or selected stays.
(() => {
  const EVERY_MS = 30_000;
  const button = document.getElementById("updates");
  const trouble = document.getElementById("trouble");
  let paused = false;

  function unfolded() {
    return [...document.querySelectorAll("details[open]")].map((it) => it.id);
  }

  function replace(fresh) {
    const open = unfolded();
    const focused = document.activeElement?.closest("details[id]")?.id;
    for (const id of open) {
      const same = fresh.getElementById(id);
      if (same) same.open = true;
    }
    document.title = fresh.title;
    for (const id of ["content", "read-at"]) {
      document.getElementById(id).replaceChildren(...fresh.getElementById(id).childNodes);
    }
    document.querySelector("h1").textContent = fresh.querySelector("h1").textContent;
    if (focused) document.getElementById(focused)?.querySelector("summary").focus({ preventScroll: true });
  }

  async function update() {
    if (paused || document.hidden || String(document.getSelection())) return;
    try {
      const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(15_000) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.getElementById("content")) throw new Error(`status ${answer.status}`);
      replace(fresh);
      trouble.textContent = "";
    } catch {
      trouble.textContent = "The keeper does not answer. What is below is old.";
    }
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) update();
  });
  document.addEventListener("visibilitychange", update);
  setInterval(update, EVERY_MS);
})();

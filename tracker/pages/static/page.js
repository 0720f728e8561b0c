// The pages work without this file. It keeps the chosen theme, copies commands, changes the question without
// loading everything again, and follows new records.
"use strict";
const root = document.documentElement;
root.classList.add("scripted");
try { root.dataset.theme = localStorage.getItem("theme") ?? ""; } catch { /* no storage, no memory */ }

const FOLLOW_MS = 10_000;
const STALE = "Not following since ";
let tag = null, asked = 0, shown = location.pathname + location.search;

function changeTheme() {
  const dark = root.dataset.theme === "dark" || (root.dataset.theme === "" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* as above */ }
}

// Shows what a page at an address holds in place of what is shown; `quietly` where nobody has asked for it.
function take(html, quietly) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const fresh = page.getElementById("page"), shown = document.getElementById("page");
  if (!fresh || !shown) return false;
  const open = new Set([...shown.querySelectorAll("details[open] > summary")].map(nameOf));
  for (const summary of fresh.querySelectorAll("summary")) summary.parentElement.open = open.has(nameOf(summary));
  const focused = nameOfFocus();
  shown.replaceWith(fresh);
  document.title = page.title;
  for (const part of ["header nav", "[data-live-state]"]) {
    const old = document.querySelector(part), next = page.querySelector(part);
    if (old && next) old.replaceWith(next);
  }
  if (focused) fresh.querySelector(focused)?.focus({ preventScroll: true });
  else if (!quietly) document.getElementById("main")?.focus({ preventScroll: true });
  return true;
}

const nameOf = (summary) => (summary.closest("section")?.getAttribute("aria-labelledby") ?? "") + summary.textContent;

function nameOfFocus() {
  const at = document.activeElement;
  if (!at || !document.getElementById("page")?.contains(at)) return null;
  if (at.id) return `#${CSS.escape(at.id)}`;
  if (at.name) return `[name="${CSS.escape(at.name)}"]`;
  return at.matches("a[href]") ? `a[href="${CSS.escape(at.getAttribute("href"))}"]` : null;
}

async function show(address, { push = true } = {}) {
  const mine = ++asked;
  document.getElementById("page").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const html = await answer.text();
    if (mine !== asked) return;
    if (answer.redirected && new URL(answer.url).pathname !== new URL(address, location.href).pathname) { location.assign(answer.url); return; }
    if (!take(html, false)) { location.assign(address); return; }
    tag = answer.headers.get("ETag");
    if (push) history.pushState({}, "", answer.url);
    shown = location.pathname + location.search;
  } catch {
    location.assign(address);
  }
}

// Only what is the same page with another question is taken in place.
function isSamePage(url) {
  return url.origin === location.origin && url.pathname === location.pathname && !url.hash && document.body.hasAttribute("data-live");
}

function submitted(form) {
  const url = new URL(form.action, location.href);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, text]) => text !== "")).toString();
  return url;
}

async function follow() {
  if (document.hidden || !document.body.hasAttribute("data-live") || document.getElementById("page")?.getAttribute("aria-busy") === "true") return;
  const mine = asked, state = () => document.querySelector("[data-live-state]");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) }, cache: "no-store" });
    if (mine !== asked) return;
    if (answer.redirected) { location.reload(); return; }
    if (answer.status !== 304 && answer.status >= 500) throw new Error(String(answer.status));
    if (answer.status !== 304) {
      const html = await answer.text();
      // What is being typed or chosen is not taken away.
      if (mine !== asked || document.activeElement?.matches("input, select, textarea")) return;
      take(html, true);
      tag = answer.headers.get("ETag");
    }
    if (state()?.classList.contains("stale")) { state().classList.remove("stale"); state().querySelector(".live-text").textContent = "Live"; }
  } catch {
    if (state() && !state().classList.contains("stale")) {
      state().classList.add("stale");
      state().querySelector(".live-text").textContent = STALE + new Date().toTimeString().slice(0, 5);
    }
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button?.dataset.do === "theme") changeTheme();
  if (button?.dataset.do === "copy") {
    navigator.clipboard?.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
  }
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.hasAttribute("download") || link.target) return;
  const url = new URL(link.href);
  if (isSamePage(url)) { event.preventDefault(); show(url); }
});
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-swap]") && form.checkValidity()) show(submitted(form));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-swap]")) return;
  event.preventDefault();
  show(submitted(form));
});
// A jump within the page is none to another.
addEventListener("popstate", () => {
  if (location.pathname + location.search === shown) return;
  if (document.body.hasAttribute("data-live")) show(location.href, { push: false });
  else location.reload();
});
document.addEventListener("DOMContentLoaded", () => {
  tag = document.body.dataset.live ?? null;
  if (tag) setInterval(follow, FOLLOW_MS);
});

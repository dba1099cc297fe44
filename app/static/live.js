// Follows a page without a reload: asks quietly for its fragment, swaps in what has changed, stops while the tab
// is hidden. A page without this script is complete; it only stands still.
(() => {
  "use strict";
  const root = document.querySelector("[data-live-url]");
  if (!root) return;
  const every = Number(root.dataset.liveEvery || 3) * 1000;
  let etag = root.dataset.liveEtag || "", timer = 0, failures = 0, asking = false;

  const swap = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const now of root.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part="${now.dataset.part}"]`);
      if (!next || next.innerHTML === now.dataset.was) continue;
      const was = next.innerHTML;
      // What the reader had opened or stood on stays so.
      const open = [...now.querySelectorAll("details")].map((d) => d.open);
      const places = [...now.querySelectorAll("a, button, summary, [tabindex]")];
      const place = places.indexOf(document.activeElement);
      now.replaceChildren(...next.childNodes);
      now.className = next.className;
      now.dataset.was = was;
      now.querySelectorAll("details").forEach((d, i) => { d.open = open[i] || false; });
      if (place >= 0) now.querySelectorAll("a, button, summary, [tabindex]")[place]?.focus({ preventScroll: true });
    }
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(root.dataset.liveUrl, {
        headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store", redirect: "manual",
      });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
        return; // signed out elsewhere: the next click leads to the sign-in
      }
      if (answer.status === 200) {
        etag = answer.headers.get("ETag") || "";
        swap(await answer.text());
      }
      failures = answer.status >= 500 ? failures + 1 : 0;
      plan();
    } catch {
      failures += 1;
      plan();
    } finally {
      asking = false;
    }
  };

  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, every * Math.min(2 ** failures, 20));
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) ask();
  });
  plan();
})();

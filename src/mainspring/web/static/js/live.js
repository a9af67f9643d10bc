// A page moves by itself: one stream a tab, none while it is hidden. When it hears that something it shows has changed, it asks for the
// page again and morphs it into what is there, at most once a second. What cannot be heard any more says so, and since when.
(() => {
  const EVERY_MS = 1000, AGAIN_MS = 3000;
  const page = () => document.querySelector("#page");
  const mark = document.querySelector("[data-live]");
  if (!mark || !window.EventSource || !window.htmx) return;
  const { base, version } = document.body.dataset;
  let stream = null, lostAt = null, due = null, asking = false, again = false;

  const isTyping = () => {
    const at = document.activeElement;
    return !!at && page().contains(at) && at.matches("input:not([type=hidden]), select, textarea") && !at.readOnly;
  };

  function say() {
    mark.dataset.live = lostAt === null ? "on" : "lost";
    const s = lostAt === null ? 0 : Math.round((Date.now() - lostAt) / 1000);
    mark.textContent = lostAt === null ? "live" : `live lost ${s} s ago`;
  }

  function lose() {
    if (lostAt === null) lostAt = Date.now();
    say();
  }

  async function refresh() {
    due = null;
    if (document.hidden) return;
    if (asking || isTyping()) { again = true; return; }
    asking = true; again = false;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.redirected) { location.reload(); return; }  // the person is no longer signed in
      if (answer.status >= 500) { lose(); return; }
      const text = await answer.text();
      const fresh = new DOMParser().parseFromString(text, "text/html");
      if (fresh.body.dataset.version !== version) { location.reload(); return; }  // the server is another one now
      if (!isTyping()) {
        await htmx.swap({ target: page(), text, swap: "outerMorph", select: "#page", sourceElement: document.body });
        document.querySelector("link[rel=icon]").href = page().dataset.icon;
        document.dispatchEvent(new Event("fresh"));
      }
    } catch { lose(); }
    finally { asking = false; if (again) later(); }
  }

  // A part without changes is not replaced, also after the stream was lost: it may hold what a person typed, and why it could not be done.
  function later() { if (page().dataset.nouns) due ??= setTimeout(refresh, EVERY_MS); }

  function heard(event) {
    if (lostAt !== null) { lostAt = null; later(); }
    say();
    const nouns = (page().dataset.nouns || "").split(" ");
    if (JSON.parse(event.data).nouns.some((noun) => nouns.includes(noun))) later();
  }

  function open() {
    if (stream || document.hidden) return;
    stream = new EventSource(`${base}/api/v1/changes`);
    stream.addEventListener("changed", heard);
    stream.addEventListener("open", () => { if (lostAt !== null) { lostAt = null; later(); } say(); });
    stream.addEventListener("error", () => {
      lose();
      if (stream && stream.readyState === EventSource.CLOSED) { close(); setTimeout(open, AGAIN_MS * (1 + Math.random())); }
    });
  }

  function close() { if (stream) stream.close(); stream = null; }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); return; }
    open(); later();
  });
  document.addEventListener("focusout", () => { if (again) later(); });
  window.addEventListener("pagehide", close);
  setInterval(() => { if (lostAt !== null) say(); }, 1000);
  open();
})();
